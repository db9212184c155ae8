package siptest

import (
	"fmt"
	"strings"
)

const (
	head = `<?xml version="1.0" encoding="UTF-8" ?>
<!DOCTYPE scenario SYSTEM "sipp.dtd">
<scenario name="peer">
`
	tail = "</scenario>\n"

	// invited takes the call and keeps what requests of our own need.
	invited = `<recv request="INVITE"><action>
<ereg regexp=".*" search_in="hdr" header="From:" check_it="true" assign_to="from"/>
<ereg regexp="sip:[^>]*" search_in="hdr" header="Contact:" check_it="true" assign_to="uri"/>
</action></recv>
`
	acked = `<recv request="ACK" rtd="true"><action>
<ereg regexp=".*" search_in="hdr" header="To:" check_it="true" assign_to="to"/>
</action></recv>
`
	answered = `<send retrans="500"><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:];tag=[pid]SIPpTag[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:sipp@[local_ip]:[local_port];transport=[transport]>
Content-Type: application/sdp
Content-Length: [len]

v=0
o=- 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 8 101
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
]]></send>
`
	hungUp = `<recv request="BYE"/>
<send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
`
)

// reply answers the last request.
func reply(status int, reason, extra string, retrans bool) string {
	attr := ""
	if retrans {
		attr = ` retrans="500"`
	}
	return fmt.Sprintf(`<send%s><![CDATA[
SIP/2.0 %d %s
[last_Via:]
[last_From:]
[last_To:];tag=[pid]SIPpTag[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:sipp@[local_ip]:[local_port];transport=[transport]>
%sContent-Length: 0

]]></send>
`, attr, status, reason, extra)
}

// Refuses is a called party that rings and refuses with status.
func Refuses(status int, reason string) string {
	return head + `<recv request="INVITE"/>` + "\n" + reply(180, "Ringing", "", false) + reply(status, reason, "", true) + `<recv request="ACK"/>` + "\n" + tail
}

// RingsOnly is a called party that never answers and expects to be canceled.
func RingsOnly() string {
	return head + `<recv request="INVITE"><action>
<ereg regexp=".*" search_in="hdr" header="Via:" check_it="true" assign_to="via"/>
<ereg regexp=".*" search_in="hdr" header="CSeq:" check_it="true" assign_to="cseq"/>
</action></recv>
` + reply(180, "Ringing", "", false) + `<recv request="CANCEL"/>` + "\n" + reply(200, "OK", "", false) + `<send retrans="500"><![CDATA[
SIP/2.0 487 Request Terminated
Via:[$via]
[last_From:]
[last_To:];tag=[pid]SIPpTag[call_number]
[last_Call-ID:]
CSeq:[$cseq]
Content-Length: 0

]]></send>
<recv request="ACK"/>
` + tail
}

// AnswersAndSendsInfo is a called party that answers and presses keys as SIP INFO, then waits to be hung up on.
func AnswersAndSendsInfo(keys string) string {
	var b strings.Builder
	b.WriteString(head + invited + reply(180, "Ringing", "", false) + answered + acked)
	for i, key := range keys {
		fmt.Fprintf(&b, `<send retrans="500"><![CDATA[
INFO [$uri] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From:[$to]
To:[$from]
[last_Call-ID:]
CSeq: %d INFO
Max-Forwards: 70
Content-Type: application/dtmf-relay
Content-Length: [len]

Signal=%c
Duration=160
]]></send>
<recv response="200"/>
`, i+10, key)
	}
	b.WriteString(hungUp + tail)
	return b.String()
}

// AnswersAndPlays is a called party that answers and plays a packet capture, then waits to be hung up on. SIPp needs raw
// sockets for it, which root has.
func AnswersAndPlays(capture string) string {
	return head + `<recv request="INVITE"/>` + "\n" + reply(180, "Ringing", "", false) + answered + `<recv request="ACK"/>` + "\n" +
		fmt.Sprintf("<nop><action><exec play_pcap_audio=%q/></action></nop>\n", capture) + hungUp + tail
}

// Registrar is an exchange that asks for a digest login, checks it, grants a registration, and sees it taken back.
// Challenge is the value of its WWW-Authenticate header, the realm being "pbx".
func Registrar(user, password string, challenges ...string) string {
	var ask strings.Builder
	for _, c := range challenges {
		ask.WriteString("WWW-Authenticate: " + c + "\n")
	}
	check := fmt.Sprintf(`<recv request="REGISTER"><action>
<ereg regexp=".*" search_in="hdr" header="Authorization:" check_it="true" assign_to="auth"/>
<verifyauth assign_to="good" username=%q password=%q/>
</action></recv>
`, user, password)
	granted := func(expires int) string {
		return reply(200, "OK", fmt.Sprintf("Expires: %d\n", expires), false)
	}
	round := func(expires int) string {
		return `<recv request="REGISTER"/>` + "\n" + reply(401, "Unauthorized", ask.String(), false) + check +
			fmt.Sprintf("<nop test=\"good\" next=\"%d\"/>\n<nop><action><error message=\"the login is wrong\"/></action></nop>\n<label id=\"%d\"/>\n", 1+expires, 1+expires) +
			granted(expires)
	}
	return head + round(60) + round(0) + "<Reference variables=\"auth\"/>\n" + tail
}
