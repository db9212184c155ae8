package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// callee is a telephone that declines every call and says when its INVITE came.
type callee struct {
	conn *net.UDPConn
	rang chan time.Time
}

func newCallee() (*callee, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	c := &callee{conn: conn, rang: make(chan time.Time, 1)}
	go c.listen()
	return c, nil
}

func (c *callee) addr() string { return c.conn.LocalAddr().String() }

func (c *callee) listen() {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := c.conn.ReadFromUDPAddrPort(buf)
		at := time.Now()
		if err != nil {
			return
		}
		request := string(buf[:n])
		if !strings.HasPrefix(request, "INVITE ") {
			continue
		}
		select {
		case c.rang <- at:
		default: // sent again
		}
		var b strings.Builder
		b.WriteString("SIP/2.0 486 Busy Here\r\n")
		for line := range strings.SplitSeq(request, "\r\n") {
			name, _, _ := strings.Cut(line, ":")
			switch strings.ToLower(name) {
			case "via", "from", "call-id", "cseq":
				b.WriteString(line + "\r\n")
			case "to":
				b.WriteString(line + ";tag=bench\r\n")
			}
		}
		b.WriteString("Content-Length: 0\r\n\r\n")
		_, _ = c.conn.WriteToUDPAddrPort([]byte(b.String()), from)
	}
}

// wait measures from begin to the INVITE.
func (c *callee) wait(begin time.Time) (time.Duration, error) {
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case at := <-c.rang:
		return at.Sub(begin), nil
	case <-late.C:
		return 0, errors.New("no INVITE came")
	}
}

// freePorts finds n ports in a row that nobody uses.
func freePorts(n int) (int, error) {
	for range 100 {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return 0, err
		}
		first := l.Addr().(*net.TCPAddr).Port
		l.Close()
		free := first+n < 65536
		for port := first; port < first+n && free; port++ {
			u, err := net.ListenPacket("udp4", fmt.Sprintf("127.0.0.1:%d", port))
			if err != nil {
				free = false
				break
			}
			u.Close()
			t, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
			if err != nil {
				free = false
				break
			}
			t.Close()
		}
		if free {
			return first, nil
		}
	}
	return 0, fmt.Errorf("no %d free ports in a row", n)
}

// baresip is the peer that a user would take for a telephone at a door.
type baresip struct {
	program, dir string
	control      string // address of ctrl_tcp
}

func newBaresip(dir string) (*baresip, error) {
	program, err := exec.LookPath("baresip")
	if err != nil {
		return nil, errors.New("baresip is needed: apt-get install baresip-core")
	}
	modules := ""
	for _, pattern := range []string{"/usr/lib/baresip/modules", "/usr/lib/*/baresip/modules"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			modules = found[0]
		}
	}
	port, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	b := &baresip{program: program, dir: dir, control: fmt.Sprintf("127.0.0.1:%d", port+2)}
	config := fmt.Sprintf("sip_listen 127.0.0.1:%d\nctrl_tcp_listen %s\nmodule_path %s\n", port, b.control, modules) +
		"audio_source ausine,440\nausrc_srate 48000\nausrc_channels 2\naudio_player alsa,null\naudio_alert alsa,null\n" +
		"module g711.so\nmodule ausine.so\nmodule alsa.so\nmodule_app account.so\nmodule_app ctrl_tcp.so\nmodule_app menu.so\n"
	accounts := fmt.Sprintf("<sip:anna@127.0.0.1:%d>;regint=0;answermode=manual;audio_codecs=PCMA,PCMU\n", port)
	return b, errors.Join(
		os.WriteFile(filepath.Join(dir, "config"), []byte(config), 0o600),
		os.WriteFile(filepath.Join(dir, "accounts"), []byte(accounts), 0o600),
		os.WriteFile(filepath.Join(dir, "contacts"), nil, 0o600))
}

func (b *baresip) start() (*process, error) { return start("baresip is ready", b.program, "-f", b.dir) }

// dialer sends commands to a running baresip.
func (b *baresip) dialer() (dial func(target string) error, hangUp func(), err error) {
	conn, err := net.Dial("tcp4", b.control)
	if err != nil {
		return nil, nil, err
	}
	closed := make(chan struct{}, 1)
	go func() {
		r := bufio.NewReader(conn)
		for {
			size, err := r.ReadString(':')
			if err != nil {
				return
			}
			n, err := strconv.Atoi(strings.TrimSuffix(size, ":"))
			if err != nil {
				return
			}
			raw := make([]byte, n+1)
			if _, err := io.ReadFull(r, raw); err != nil {
				return
			}
			var m struct {
				Type string `json:"type"`
			}
			if json.Unmarshal(raw[:n], &m) == nil && m.Type == "CALL_CLOSED" {
				select {
				case closed <- struct{}{}:
				default:
				}
			}
		}
	}()
	dial = func(target string) error {
		raw, err := json.Marshal(map[string]string{"command": "dial", "params": target})
		if err == nil {
			_, err = fmt.Fprintf(conn, "%d:%s,", len(raw), raw)
		}
		return err
	}
	hangUp = func() {
		select {
		case <-closed:
		case <-time.After(time.Second): // the pause between calls is long enough without the event
		}
	}
	return dial, hangUp, nil
}

// startMosquitto runs a broker and returns its address.
func startMosquitto(dir string) (*process, string, error) {
	program, err := exec.LookPath("mosquitto")
	if err != nil {
		program = "/usr/sbin/mosquitto"
	}
	port, err := freePorts(1)
	if err != nil {
		return nil, "", err
	}
	config := filepath.Join(dir, "mosquitto.conf")
	text := fmt.Sprintf("listener %d 127.0.0.1\nallow_anonymous true\npersistence false\nlog_dest stderr\nlog_timestamp false\n", port)
	if os.Geteuid() == 0 {
		text += "user root\n"
	}
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, "", err
	}
	p, err := start(" running", program, "-c", config)
	return p, fmt.Sprintf("127.0.0.1:%d", port), err
}
