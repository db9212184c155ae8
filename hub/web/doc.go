// Package web is the hub's pages and JSON API. It decides nothing about panels or warnings: it shows, and hands on what
// people ask for.
package web
