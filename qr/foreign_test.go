package qr

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestHealthCertificatesAreReadAsTheyArePrinted reads the QR codes of the member states' test sets: long texts, printed by many
// programs. A picture may be left unread, a text that is not the printed one may not.
func TestHealthCertificatesAreReadAsTheyArePrinted(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "shared", "testdata", "eu-dcc-qr", "*", "*.json"))
	if err != nil || len(files) == 0 {
		t.Skip("the health certificates are not here (../shared/testdata/eu-dcc-qr): left out")
	}
	const otherPicture = "ES/503.json" // its picture shows another certificate than the record says, for every reader
	read, all := 0, 0
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var record struct {
			Prefix          string
			Picture         string `json:"2DCODE"`
			ExpectedResults struct{ ExpectedPictureDecode *bool }
		}
		if err := json.Unmarshal(content, &record); err != nil {
			t.Fatal(file, err)
		}
		picture, err := base64.StdEncoding.DecodeString(record.Picture)
		if err != nil || len(picture) == 0 || strings.HasSuffix(filepath.ToSlash(file), otherPicture) {
			continue
		}
		good := record.ExpectedResults.ExpectedPictureDecode
		text, err := ReadBytes(picture)
		switch expected := good == nil || *good; {
		case err != nil && expected:
			all++
			t.Logf("%s: %v", file, err)
		case err == nil && text == record.Prefix:
			all, read = all+1, read+1
		case err == nil && expected:
			all++
			t.Errorf("%s: read %q, printed is %q", file, text, record.Prefix)
		}
	}
	t.Logf("%d of %d read", read, all)
	if read*100 < all*98 || all < 100 {
		t.Errorf("%d of %d read", read, all)
	}
}
