package configs

import (
	"crypto/ed25519"
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Bounds of a configuration.
const (
	maxDoors    = 32
	maxButtons  = 999
	maxReaders  = 64
	maxAccounts = 16
	maxKeys     = 16
	maxHosts    = 16
)

// Default is the configuration without a file: simulated hardware with the door front, the readers front-in and
// front-out, the page at 127.0.0.1:8080 and the data in ./data.
func Default() Config {
	c, _ := Parse("", nil)
	return c
}

// Parse reads a configuration; name is only for the problems. It opens no file, so the secrets of *_file keys are not in
// the result (Load puts them there). Where there are problems, everything that is wrong has its default value, and Web
// is the default page on loopback if anything in [web] is wrong: enough to show the problems, nothing more.
func Parse(name string, text []byte) (Config, Problems) {
	r := parse(name, text)
	return r.config, r.d.sorted()
}

// reading is one file on its way to a Config.
type reading struct {
	d       *document
	config  Config
	secrets []secretFile
	lines   map[string]place // which place uses a GPIO line
	doorsAt []*section       // in the order of the doors
	known   map[string]bool
}

// secretFile is a secret that stands in a file of its own.
type secretFile struct {
	place place
	set   func(Secret)
}

func parse(name string, text []byte) *reading {
	d := newDocument(name, text)
	r := &reading{d: d, lines: map[string]place{}, known: map[string]bool{}}
	top := &section{d: d, t: d.tree(), there: true, asked: map[string]bool{}, known: r.known}
	c := &r.config

	hardware, _ := top.oneOf("hardware", string(Simulated), string(Simulated), string(Board))
	c.Hardware = Hardware(hardware)
	c.Data = top.filePath("data", "./data")
	c.KeysDir = top.filePath("keys_dir", filepath.Join(c.Data, "keys"))
	r.site(top.table("site"))
	r.web(top.table("web"))
	r.sip(top.table("sip"))
	r.doors(top)
	r.buttons(top)
	r.inputs(top.table("inputs"))
	r.doorsTogether()
	r.readers(top)
	r.access(top.table("access"))
	r.uplink(top.table("uplink"))
	r.license(top.table("license"))
	r.clock(top.table("clock"))
	r.journal(top.table("journal"))
	top.done()
	return r
}

func (r *reading) board() bool { return r.config.Hardware == Board }

// filePath reads where a file or directory is.
func (s *section) filePath(key, otherwise string) string {
	text, p := s.text(key, otherwise)
	if p.given() && text == "" {
		p.report("empty", "write a path, or delete the key")
		return otherwise
	}
	return text
}

// maxPanelName keeps a panel's name, in bytes, short enough for its identity's QR code and another panel's display.
const maxPanelName = 40

var languagePattern = regexp.MustCompile(`^[a-z]{2,3}(-[A-Z]{2})?$`)

func (r *reading) site(s *section) {
	c := &r.config.Site
	c.Name, _ = s.text("name", "Home")
	own, at := s.text("panel", "")
	if c.Panel = own; len(own) > maxPanelName {
		at.report(fmt.Sprintf("%d bytes", len(own)), fmt.Sprintf("write a name of at most %d bytes, such as \"Stairs A\"", maxPanelName))
		c.Panel = ""
	}
	c.TimeZone = time.UTC
	zone, p := s.text("timezone", "UTC")
	switch {
	case p.given():
		location, err := time.LoadLocation(zone)
		if err != nil || zone == "" || zone == "Local" {
			p.report("unknown time zone", `write a name of the IANA list, such as "Europe/Rome"`)
			break
		}
		c.TimeZone = location
	case s.t.items["timezone"] == nil && r.board():
		s.missing("timezone", `write timezone = "Europe/Rome" or where the panel hangs: schedules count in it`)
	}
	c.Language, p = s.text("language", "en")
	if p.given() && !languagePattern.MatchString(c.Language) {
		p.report("not a language", `write it as "en" or "pt-BR"`)
		c.Language = "en"
	}
	s.done()
}

func (r *reading) web(s *section) {
	before := len(r.d.problems)
	c := &r.config.Web
	var at place
	c.Listen, at = s.address("listen", "127.0.0.1:8080")
	c.Hosts = s.hosts("hosts")
	c.TLS = s.tls()
	if !c.Listen.Addr().IsLoopback() && !c.TLS.On() && !r.d.broken && len(r.d.problems) == before {
		at.report("beyond this host the page needs TLS", `write self_signed = true in [web.tls], or listen = "127.0.0.1:8080"`)
	}
	s.done()
	if len(r.d.problems) > before || r.d.broken {
		*c = Web{Listen: netip.MustParseAddrPort("127.0.0.1:8080")}
	}
}

// address reads an address to listen at.
func (s *section) address(key, otherwise string) (netip.AddrPort, place) {
	text, at := s.text(key, otherwise)
	if !at.given() {
		return netip.MustParseAddrPort(otherwise), at
	}
	address, cause, remedy := parseListen(text, otherwise)
	if cause != "" {
		at.report(cause, remedy)
		return netip.MustParseAddrPort(otherwise), at
	}
	return address, at
}

func (s *section) hosts(key string) []string {
	var hosts []string
	for _, p := range s.texts(key, maxHosts) {
		if !isHost(p.v.text) {
			p.report("not a host name", `write it without scheme and port, such as "panel.example.org"`)
			continue
		}
		hosts = append(hosts, strings.ToLower(p.v.text))
	}
	return hosts
}

// tls reads the section of a page's certificate.
func (s *section) tls() (c TLS) {
	tls := s.table("tls")
	var selfSigned, certificate, key place
	c.SelfSigned, selfSigned = tls.truth("self_signed", false)
	c.Certificate, certificate = tls.text("certificate", "")
	c.Key, key = tls.text("key", "")
	switch {
	case c.SelfSigned && (c.Certificate != "" || c.Key != ""):
		selfSigned.report("a certificate is given as well", "keep self_signed, or certificate and key")
	case c.Certificate != "" && c.Key == "":
		certificate.report("there is no key with it", `write key = "..." as well`)
	case c.Certificate == "" && c.Key != "":
		key.report("there is no certificate with it", `write certificate = "..." as well`)
	}
	tls.done()
	return c
}

func (r *reading) sip(s *section) {
	c := &r.config.SIP
	c.Listen = netip.MustParseAddrPort("127.0.0.1:0")
	if r.board() {
		c.Listen = netip.MustParseAddrPort("0.0.0.0:5060")
	}
	if listen, p := s.text("listen", ""); p.given() {
		address, cause, remedy := parseListen(listen, "0.0.0.0:5060")
		if cause != "" {
			p.report(cause, remedy)
		} else {
			c.Listen = address
		}
	}
	c.RingTimeout, _ = s.duration("ring_timeout", time.Minute, 5*time.Second, 5*time.Minute, false)
	seen := map[string]place{}
	for _, a := range s.tables("account", maxAccounts) {
		account := Account{Name: a.ownName(seen, "account")}
		registrar, p := a.text("registrar", "")
		switch {
		case p.given():
			if cause, remedy := checkRegistrar(registrar); cause != "" {
				p.report(cause, remedy)
			}
		case a.t.items["registrar"] == nil:
			a.missing("registrar", `write registrar = "sip:pbx.example.org"`)
		}
		account.Registrar = registrar
		account.User, p = a.text("user", "")
		if account.User == "" && (p.given() || a.t.items["user"] == nil) {
			a.missing("user", `write user = "..." as the provider gave it`)
		}
		i := len(c.Accounts)
		account.Password = r.secret(a, "password", func(c *Config, s Secret) { c.SIP.Accounts[i].Password = s })
		account.Expires, _ = a.duration("expires", 10*time.Minute, time.Minute, 24*time.Hour, false)
		a.done()
		c.Accounts = append(c.Accounts, account)
	}
	s.done()
}

// secret reads key or key_file; the file itself is left to Load.
func (r *reading) secret(s *section, key string, set func(*Config, Secret)) Secret {
	secret, file := s.secret(key)
	if file.given() {
		r.secrets = append(r.secrets, secretFile{file, func(s Secret) { set(&r.config, s) }})
	}
	return secret
}

// secret reads key or key_file: the secret itself, or the place of the path where it is.
func (s *section) secret(key string) (Secret, place) {
	text, direct := s.text(key, "")
	file, inFile := s.text(key+"_file", "")
	switch {
	case direct.given() && inFile.given():
		inFile.report(key+" is given as well", "keep "+key+"_file and delete "+key)
	case direct.given() && text == "":
		direct.report("empty", "write it, or delete the key")
	case inFile.given() && file == "":
		inFile.report("empty", "write the path of a file that holds the "+key)
	default:
		return NewSecret(text), inFile
	}
	return NewSecret(text), place{}
}

func (r *reading) doors(top *section) {
	c := &r.config
	const keys = "123456789"
	seen, digits := map[string]place{}, map[string]place{}
	for i, s := range top.tables("door", maxDoors) {
		d := Door{Name: s.ownName(seen, "door")}
		d.Strike = r.line(s, "strike", false)
		if r.board() && s.t.items["strike"] == nil {
			s.missing("strike", `write strike = "gpio:<chip>/<line>"`)
		}
		safe, _ := s.oneOf("safe", string(FailSecure), string(FailSecure), string(FailSafe))
		d.Safe = Safe(safe)
		if r.board() && s.t.items["safe"] == nil {
			s.missing("safe", `write safe = "fail-secure" (locked without power) or "fail-safe" (released without power), as the strike is built`)
		}
		d.Pulse, _ = s.duration("pulse", 3*time.Second, 100*time.Millisecond, time.Minute, false)
		d.OpenDigit = r.openDigit(s, keys[min(i, len(keys)-1):][:1], digits)
		d.Contact = r.line(s, "contact", true)
		d.Exit = r.line(s, "exit", true)
		d.HeldOpenAfter, _ = s.duration("held_open_after", 30*time.Second, 5*time.Second, time.Hour, true)
		r.doorModes(s, &d)
		s.done()
		c.Doors = append(c.Doors, d)
		r.doorsAt = append(r.doorsAt, s)
	}
	if len(c.Doors) > 0 {
		return
	}
	if r.board() && top.t.items["door"] == nil {
		top.missing("door", "write a section [[door]] with name, strike and safe")
	}
	c.Doors = []Door{{
		Name: "front", Safe: FailSecure, Pulse: 3 * time.Second, OpenDigit: '1', HeldOpenAfter: 30 * time.Second,
		HeldWarning: defaultWarning, ToggleFor: defaultToggle, Fire: FireReleases,
	}}
}

func (r *reading) openDigit(s *section, otherwise string, seen map[string]place) rune {
	digit, p := s.text("open_digit", otherwise)
	if p.given() && (len(digit) != 1 || !strings.Contains("0123456789*#", digit)) {
		p.report("not one key of a telephone", `write one of 0 to 9, * or #, such as "1"`)
		return rune(otherwise[0])
	}
	if first, ok := seen[digit]; ok {
		key := p
		if !p.given() {
			key = place{s, "open_digit", value{at: s.at}}
		}
		key.report(fmt.Sprintf("key %s opens another door already, on row %d", digit, first.row()), "give each door its own key")
		return rune(digit[0])
	}
	if !p.given() {
		p = place{s, "open_digit", value{at: s.at}}
	}
	seen[digit] = p
	return rune(digit[0])
}

// line reads a GPIO line and refuses one that something else uses: two owners of a strike would open a door.
func (r *reading) line(s *section, key string, input bool) Line {
	text, p := s.text(key, "")
	if !p.given() {
		return Line{}
	}
	l, cause, remedy := parseLine(text, input)
	if cause != "" {
		p.report(cause, remedy)
		return Line{}
	}
	id := l.Chip + "/" + l.Line
	if first, ok := r.lines[id]; ok {
		p.report(fmt.Sprintf("this line is %s on row %d already", join(first.s.path, first.key), first.row()), "give each its own line")
		return Line{}
	}
	r.lines[id] = p
	return l
}

func (r *reading) buttons(top *section) {
	c := &r.config
	accounts := map[string]bool{}
	for _, a := range c.SIP.Accounts {
		accounts[a.Name] = true
	}
	numbers := map[int]place{}
	for _, s := range top.tables("button", maxButtons) {
		var b Button
		var p place
		b.Number, p = s.number("number", 0, 1, maxButtons)
		if p.given() {
			if first, ok := numbers[b.Number]; ok {
				p.report(fmt.Sprintf("another button has this number, on row %d", first.row()), "give each its own")
			} else {
				numbers[b.Number] = p
			}
		} else if s.t.items["number"] == nil {
			s.missing("number", "write number = 1 for the first")
		}
		b.Label, p = s.text("label", "")
		if len([]rune(b.Label)) > 40 {
			p.report("too long for a label", "write at most 40 characters")
		}
		b.Account, p = s.text("account", "")
		if p.given() && !accounts[b.Account] && !r.d.broken {
			p.report("no account has this name", known("sip.account", names(accounts)))
		}
		b.Target, p = s.text("target", "")
		if b.Target != "" {
			if cause, remedy := checkTarget(b.Target, b.Account != "" || r.d.broken); cause != "" {
				p.report(cause, remedy)
			}
		}
		b.Line = r.line(s, "line", true)
		s.done()
		c.Buttons = append(c.Buttons, b)
	}
	sort.SliceStable(c.Buttons, func(i, j int) bool { return c.Buttons[i].Number < c.Buttons[j].Number })
}

func names(set map[string]bool) []string {
	var out []string
	for n := range set {
		if n != "" {
			out = append(out, n)
		}
	}
	sort.Strings(out)
	return out
}

func known(section string, names []string) string {
	if len(names) == 0 {
		return "write a section [[" + section + "]] with this name"
	}
	return "write one of: " + strings.Join(names, ", ")
}

func (r *reading) inputs(s *section) {
	c := &r.config.Inputs
	c.Fire = r.line(s, "fire", true)
	c.Tamper = r.line(s, "tamper", true)
	c.Service = r.line(s, "service", true)
	c.Debounce, _ = s.duration("debounce", 20*time.Millisecond, time.Millisecond, time.Second, true)
	c.TamperBlock, _ = s.duration("tamper_block", 0, time.Second, 24*time.Hour, true)
	s.done()
}

func (r *reading) readers(top *section) {
	c := &r.config
	doors := map[string]bool{}
	for _, d := range c.Doors {
		doors[d.Name] = true
	}
	seen, devices := map[string]place{}, map[string]place{}
	for _, s := range top.tables("reader", maxReaders) {
		one := Reader{Name: s.ownName(seen, "reader")}
		var p place
		one.Door, p = s.text("door", "")
		switch {
		case p.given() && !doors[one.Door] && !r.d.broken && !doors[""]:
			p.report("no door has this name", known("door", names(doors)))
		case !p.given() && s.t.items["door"] == nil:
			s.missing("door", "write the name of the door it stands at")
		}
		direction, _ := s.oneOf("direction", string(In), string(In), string(Out))
		one.Direction = Direction(direction)
		kinds := []string{string(SimReader), string(MFRC522), string(Keypad), string(HIDScanner), string(SerialScanner)}
		if r.board() {
			kinds = kinds[1:]
		}
		kind, p := s.oneOf("kind", string(SimReader), kinds...)
		one.Kind = ReaderKind(kind)
		if r.board() && s.t.items["kind"] == nil {
			s.missing("kind", `write kind = "mfrc522", "keypad", "scanner-hid" or "scanner-serial"`)
		}
		r.device(s, &one, p, devices)
		s.done()
		c.Readers = append(c.Readers, one)
	}
	if len(c.Readers) > 0 || r.board() {
		return
	}
	for _, d := range c.Doors {
		c.Readers = append(c.Readers,
			Reader{Name: d.Name + "-in", Door: d.Name, Direction: In, Kind: SimReader},
			Reader{Name: d.Name + "-out", Door: d.Name, Direction: Out, Kind: SimReader})
	}
}

var spiPattern = regexp.MustCompile(`^(SPI[0-9]{1,3}\.[0-9]{1,3}|/dev/spidev[0-9]{1,3}\.[0-9]{1,3})$`)

// device reads what only some kinds of readers have.
func (r *reading) device(s *section, one *Reader, kind place, seen map[string]place) {
	device, p := s.text("device", "")
	one.Device = device
	example := map[ReaderKind]string{
		MFRC522: "SPI0.0", Keypad: "/dev/input/by-id/...", HIDScanner: "/dev/input/by-id/...", SerialScanner: "/dev/ttyUSB0",
	}[one.Kind]
	switch {
	case !kind.given():
	case one.Kind == SimReader && p.given():
		p.report("a simulated reader has no device", "delete the key")
	case one.Kind != SimReader && !p.given() && s.t.items["device"] == nil:
		s.missing("device", fmt.Sprintf("write device = %q", example))
	case one.Kind == MFRC522 && p.given() && !spiPattern.MatchString(device):
		p.report("not an SPI port", `write "SPI0.0" for bus 0, chip select 0`)
	case one.Kind != SimReader && one.Kind != MFRC522 && p.given() && !strings.HasPrefix(device, "/dev/"):
		p.report("not a device file", fmt.Sprintf("write %q", example))
	case p.given():
		if first, ok := seen[device]; ok {
			p.report(fmt.Sprintf("another reader uses this device, on row %d", first.row()), "give each its own")
		}
		seen[device] = p
	}
	one.Reset = r.line(s, "reset", false)
	if kind.given() && one.Kind != MFRC522 && one.Reset.Wired() {
		place{s, "reset", s.t.items["reset"].value}.report("only an mfrc522 has a reset line", "delete the key")
	}
	baud := 0
	if one.Kind == SerialScanner {
		baud = 9600
	}
	one.Baud, p = s.number("baud", baud, 300, 921600)
	if kind.given() && p.given() && one.Kind != SerialScanner {
		p.report("only a scanner-serial has a speed", "delete the key")
	}
}

var sitePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func (r *reading) uplink(s *section) {
	c := &r.config.Uplink
	secure := false
	broker, at := s.text("broker", "")
	if broker != "" {
		address, tls, cause, remedy := parseBroker(broker)
		if cause != "" {
			if strings.Contains(broker, "@") {
				at.v.text = "***"
			}
			at.report(cause, remedy)
		}
		c.Broker, secure = address, tls || cause != ""
	}
	var user, ca, hub, p place
	c.User, user = s.text("user", "")
	c.Password = r.secret(s, "password", func(c *Config, s Secret) { c.Uplink.Password = s })
	if c.User == "" && (s.t.items["password"] != nil || s.t.items["password_file"] != nil) && !user.given() {
		s.missing("user", `write user = "..." with the password`)
	}
	c.CA, ca = s.text("ca", "")
	if c.CA != "" && broker != "" && !secure {
		ca.report("it is only for mqtts", `write broker = "mqtts://...", or delete ca`)
	}
	c.Site, p = s.text("site", "home")
	if p.given() && !sitePattern.MatchString(c.Site) {
		p.report("not a part of a topic", "write 1 to 64 letters, digits, ., - or _, such as via-roma-12")
		c.Site = "home"
	}
	c.Hub, hub = s.truth("hub", false)
	if c.Hub && broker == "" && !r.d.broken {
		hub.report("a hub is reached through a broker, and none is given", `write broker = "mqtts://..."`)
	}
	c.CommandKeys = s.keys("command_keys")
	c.Heartbeat, _ = s.duration("heartbeat", 30*time.Second, 2*time.Second, 10*time.Minute, false)
	s.done()
}

func (s *section) keys(key string) []ed25519.PublicKey {
	var keys []ed25519.PublicKey
	seen := map[string]place{}
	for _, p := range s.texts(key, maxKeys) {
		k, cause, remedy := parseKey(p.v.text)
		if cause != "" {
			p.report(cause, remedy)
			continue
		}
		if first, ok := seen[string(k)]; ok {
			p.report("the same key is on row "+strconv.Itoa(first.row())+" already", "keep one")
			continue
		}
		seen[string(k)] = p
		keys = append(keys, k)
	}
	return keys
}

func (r *reading) license(s *section) {
	r.config.License.Roots = s.keys("roots")
	s.done()
}

func (r *reading) clock(s *section) {
	c := &r.config.Clock
	c.Kernel, _ = s.truth("kernel", true)
	c.RTC, _ = s.truth("rtc", false)
	s.done()
}

func (r *reading) journal(s *section) {
	c := &r.config.Journal
	c.MaxBytes = 256 << 20
	size, p := s.text("max_size", "")
	if p.given() {
		n, ok := parseSize(size)
		switch {
		case !ok:
			p.report("not a size", `write it as "256MiB"`)
		case n < 1<<20 || n > 64<<30:
			p.report("out of range", `write "1MiB" to "64GiB"`)
		default:
			c.MaxBytes = n
		}
	}
	c.EntriesDays, _ = s.number("entries_days", 0, 0, maxDays)
	c.PersonsDays, _ = s.number("persons_days", 0, 0, maxDays)
	r.journalKinds(s, c)
	s.done()
}
