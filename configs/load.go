package configs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// Bounds of the files that are read.
const (
	maxFile   = 1 << 20 // the configuration, in bytes
	maxSecret = 4 << 10 // a file with a secret, in bytes
)

// Load reads a configuration file and the files of its secrets; relative paths count from where the program was started.
// The error is of type Problems when the file could be read but not used; the Config is then what Parse promises.
func Load(path string) (Config, error) {
	text, err := readBounded(path, maxFile)
	if err != nil {
		remedy := "name another file with --config, or leave it out for simulated hardware"
		if errors.Is(err, fs.ErrPermission) {
			remedy = "let the program's user read it"
		}
		return Default(), fmt.Errorf("cannot read configuration %s: %w; %s", path, plain(err), remedy)
	}
	r := parse(path, text)
	loadSecrets(r.secrets)
	if problems := r.d.sorted(); len(problems) > 0 {
		return r.config, problems
	}
	return r.config, nil
}

// loadSecrets reads the files of secrets; what is wrong with one is reported where its path is written.
func loadSecrets(list []secretFile) {
	for _, s := range list {
		text, err := readBounded(s.place.v.text, maxSecret)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			s.place.reportFile("no such file", "make it: one line, readable by the program's user only")
		case errors.Is(err, fs.ErrPermission):
			s.place.reportFile("not allowed to read it", "let the program's user read it")
		case err != nil:
			s.place.reportFile(plain(err).Error(), "write the path of a file with one line")
		default:
			secret := strings.TrimRight(string(text), "\r\n")
			if cause, _ := checkText(secret); secret == "" || cause != "" {
				s.place.reportFile("does not hold one line of text", "write the secret, and nothing else, into it")
				continue
			}
			s.set(NewSecret(secret))
		}
	}
}

// reportFile shows the path that stands behind a *_file key: it is the way to a secret, not the secret.
func (p place) reportFile(cause, remedy string) {
	p.s.d.report(p.v.at, join(p.s.path, p.key), p.v.display(), cause, remedy)
}

// readBounded reads a whole file of at most most bytes. The size is counted while reading: a device or a pipe has none.
func readBounded(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > most {
		return nil, fmt.Errorf("it is larger than %d bytes", most)
	}
	return text, nil
}

// plain takes off the operation and path that the os package puts before the cause: both are told already.
func plain(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
