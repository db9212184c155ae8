package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed assets
var files embed.FS

type asset struct {
	content []byte
	kind    string
	tag     string
}

// assets are parts of the pages by name, read once.
type assets map[string]asset

func loadAssets() (assets, error) {
	all := assets{}
	err := fs.WalkDir(files, "assets", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		// Not mime.TypeByExtension: it asks files of the host, and a module of another type is not run by a browser.
		kind, known := map[string]string{
			".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
			".txt": "text/plain; charset=utf-8",
		}[path.Ext(name)]
		if !known {
			return fmt.Errorf("cannot serve %s: no type is known for its name", name)
		}
		sum := sha256.Sum256(b)
		all[strings.TrimPrefix(name, "assets/")] = asset{b, kind, `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
		return nil
	})
	return all, err
}

func (a assets) send(w http.ResponseWriter, r *http.Request, name string) error {
	file, known := a[name]
	if !known {
		return problem(http.StatusNotFound, "not-found", "there is nothing at this address")
	}
	w.Header().Set("Content-Type", file.kind)
	w.Header().Set("ETag", file.tag)
	w.Header().Set("Cache-Control", "no-cache") // an update must be seen at once; the tag makes asking cheap
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file.content))
	return nil
}
