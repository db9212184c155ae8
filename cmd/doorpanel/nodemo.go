//go:build !demo

package main

import "github.com/spf13/cobra"

// demoCommands is empty: a panel's own binary carries no broker and no issuer. `make run` builds one that does.
func demoCommands() []*cobra.Command { return nil }
