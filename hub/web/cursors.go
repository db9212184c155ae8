package web

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"strings"
)

// cursors hide where a list goes on when that would tell what it does not show: the key at which the store stopped may be a
// stranger's. They are good for as long as this hub runs, and all of them are of one length.
type cursors struct{ aead cipher.AEAD }

// cursorSize is more than any key of a delivery has, in bytes.
const cursorSize = 288

func newCursors() (cursors, error) {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	block, err := aes.NewCipher(key)
	if err != nil {
		return cursors{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return cursors{aead}, err
}

// hide makes a cursor from the key of a store, which has no zero at its end; nothing stays nothing.
func (c cursors) hide(key string) string {
	if key == "" {
		return ""
	}
	padded := make([]byte, max(cursorSize, len(key)))
	copy(padded, key)
	return base64.RawURLEncoding.EncodeToString(c.aead.Seal(nil, nil, padded, nil))
}

// read is the key that hide hid.
func (c cursors) read(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	unknown := problem(http.StatusBadRequest, "bad-query", "before is not known any more; begin anew with the newest")
	if len(text) > 4*cursorSize {
		return "", unknown
	}
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return "", unknown
	}
	key, err := c.aead.Open(nil, nil, sealed, nil)
	if err != nil {
		return "", unknown
	}
	return strings.TrimRight(string(key), "\x00"), nil
}
