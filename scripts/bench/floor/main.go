// Command floor is the smallest daemon in Go: it listens, says so, and waits. It is what a cold start is compared with,
// and does nothing else.
package main

import (
	"net"
	"os"
)

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		println(err.Error())
		os.Exit(1)
	}
	os.Stdout.WriteString("READY\n")
	for {
		if c, err := l.Accept(); err == nil {
			c.Close()
		}
	}
}
