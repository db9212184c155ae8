// Package doorpanel is the root of the module and holds no code: docs/architecture.md says what lies where. Its tests hold the parts
// to each other: which package may import which, and that what the documents name is there.
package doorpanel
