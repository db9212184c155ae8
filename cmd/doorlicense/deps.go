package main

import (
	_ "filippo.io/age"
	_ "github.com/go-pdf/fpdf"
	_ "golang.org/x/term"
)
