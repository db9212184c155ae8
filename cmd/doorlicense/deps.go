package main

import _ "github.com/go-pdf/fpdf"
