// Command rawdial is the floor of a call: an HTTP request in, a prepared INVITE out on UDP. It knows no more of SIP than
// its one text, and reads no answer.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
)

const (
	head = "INVITE sip:callee@%[1]s SIP/2.0\r\nVia: SIP/2.0/UDP %[2]s;branch=z9hG4bK%[3]d;rport\r\nMax-Forwards: 70\r\n" +
		"From: <sip:door@%[2]s>;tag=%[3]d\r\nTo: <sip:callee@%[1]s>\r\nCall-ID: %[3]d@bench\r\nCSeq: 1 INVITE\r\n" +
		"Contact: <sip:door@%[2]s>\r\nContent-Type: application/sdp\r\nContent-Length: %[4]d\r\n\r\n%[5]s"
	body = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n" +
		"m=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "rawdial:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: rawdial CALLEE-ADDRESS")
	}
	callee, err := net.Dial("udp4", args[0])
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	calls := 0 // one client, one connection: no lock
	fmt.Println("http://" + l.Addr().String())
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls++
		fmt.Fprintf(callee, head, callee.RemoteAddr(), callee.LocalAddr(), calls, len(body), body)
		w.WriteHeader(http.StatusNoContent)
	}))
}
