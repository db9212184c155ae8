package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/spf13/cobra"
)

// signingKey is a private key from a file. Only its Sign leaves this file.
type signingKey struct {
	pub       ed25519.PublicKey
	private   ed25519.PrivateKey
	encrypted bool   // its file is
	role      string // what it was made for, as its file says; empty in files of older versions
}

// Roles of keys.
const (
	roleRoot    = "root"
	roleIssuer  = "issuer"
	roleCommand = "command"
)

func (k signingKey) sign(message []byte) ([]byte, error) {
	return ed25519.Sign(k.private, message), nil
}

const (
	pemType       = "PRIVATE KEY" // PKCS #8, RFC 5958 and RFC 8410: other tools read it
	ageBinary     = "age-encryption.org/v1\n"
	maxWorkFactor = 20 // a key file may ask for 1 GiB of memory, not for more
	rolePrefix    = "doorpanel key: "
	minPassphrase = 12 // characters; whoever finds the file may try as long as they like
)

// keyFlags name the key that signs and where its passphrase comes from.
type keyFlags struct{ file, passphraseFile string }

func (k *keyFlags) register(cmd *cobra.Command, whose string) {
	cmd.Flags().StringVar(&k.file, "key", "", "key file of "+whose)
	cmd.Flags().StringVar(&k.passphraseFile, "passphrase-file", "", "file with the key file's passphrase (default: ask on the terminal)")
}

// createKey draws a key and writes it to a new file that only its owner may read, encrypted when there is a passphrase. An
// existing file is never overwritten.
func (d desk) createKey(path, role, passphrase string) (signingKey, error) {
	pub, private, err := ed25519.GenerateKey(d.random)
	if err != nil {
		return signingKey{}, fmt.Errorf("cannot make key: %w", err)
	}
	key := signingKey{pub, private, passphrase != "", role}
	content, err := d.sealKey(key, passphrase)
	if err != nil {
		return signingKey{}, fmt.Errorf("cannot write key file %s: %w", path, err)
	}
	if err := writeNew(path, content); errors.Is(err, os.ErrExist) {
		return signingKey{}, fmt.Errorf("cannot write key file: %w; an existing key is never overwritten, choose another name", err)
	} else if errors.Is(err, os.ErrNotExist) {
		return signingKey{}, fmt.Errorf("cannot write key file: %w; make the folder first", err)
	} else if err != nil {
		return signingKey{}, fmt.Errorf("cannot write key file: %w", err)
	}
	return key, nil
}

// protectKey puts a key's file under a new passphrase. At every instant one whole file stands under its name.
func (d desk) protectKey(path string, key signingKey, passphrase string) error {
	content, err := d.sealKey(key, passphrase)
	if err != nil {
		return fmt.Errorf("cannot write key file %s: %w", path, err)
	}
	next := path + ".new"
	if err := writeNew(next, content); err != nil {
		return fmt.Errorf("cannot write key file: %w; remove %s if it is left over from an attempt that was cut off", err, next)
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("cannot replace key file: %w; the old one still holds", err)
	}
	return syncFolder(path)
}

// sealKey is the content of a key file: PKCS #8 in PEM, inside an armored age file when there is a passphrase. A line before it, which
// readers of PEM skip (RFC 7468, section 2), says what the key is for.
func (d desk) sealKey(key signingKey, passphrase string) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key.private)
	if err != nil {
		return nil, err
	}
	plain := pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der})
	if key.role != "" {
		plain = append([]byte(rolePrefix+key.role+"\n"), plain...)
	}
	if passphrase == "" {
		return plain, nil
	}
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, err
	}
	recipient.SetWorkFactor(d.workFactor)
	var sealed bytes.Buffer
	armored := armor.NewWriter(&sealed)
	content, err := age.Encrypt(armored, recipient)
	if err != nil {
		return nil, err
	}
	if _, err := content.Write(plain); err != nil {
		return nil, err
	}
	if err := errors.Join(content.Close(), armored.Close()); err != nil {
		return nil, err
	}
	return sealed.Bytes(), nil
}

// loadKey opens a key file. A file that nobody encrypted is read too, with a warning.
func (d desk) loadKey(k keyFlags) (signingKey, error) {
	if k.file == "" {
		return signingKey{}, usage("--key is missing: name the key file that signs")
	}
	raw, err := readPrivate("key file", k.file)
	if errors.Is(err, os.ErrNotExist) {
		return signingKey{}, fmt.Errorf("%w; make one with doorlicense keygen", err)
	}
	if err != nil {
		return signingKey{}, err
	}
	encrypted := bytes.HasPrefix(raw, []byte(armor.Header)) || bytes.HasPrefix(raw, []byte(ageBinary))
	if encrypted {
		passphrase, err := d.passphrase(k.passphraseFile, "Passphrase of "+k.file)
		if err != nil {
			return signingKey{}, err
		}
		if raw, err = unsealKey(raw, passphrase); err != nil {
			return signingKey{}, fmt.Errorf("cannot open key file %s: %w", k.file, err)
		}
	}
	key, err := parseKeyFile(raw)
	if err != nil {
		return signingKey{}, fmt.Errorf("cannot read key file %s: %w", k.file, err)
	}
	if key.encrypted = encrypted; !encrypted {
		fmt.Fprintf(d.notes, "warning: key file %s is not encrypted; protect it with: doorlicense keygen --protect %[1]s\n", k.file)
	}
	return key, nil
}

func unsealKey(raw []byte, passphrase string) ([]byte, error) {
	identity, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, err
	}
	identity.SetMaxWorkFactor(maxWorkFactor)
	var from io.Reader = bytes.NewReader(raw)
	if bytes.HasPrefix(raw, []byte(armor.Header)) {
		from = armor.NewReader(from)
	}
	plain, err := age.Decrypt(from, identity)
	if wrong := (&age.NoIdentityMatchError{}); errors.As(err, &wrong) && errors.Is(err, age.ErrIncorrectIdentity) {
		return nil, errors.New("the passphrase is wrong; try again, nobody can recover a forgotten one")
	}
	if err != nil {
		return nil, fmt.Errorf("it is damaged: %w; take it from its copy", err)
	}
	content, err := io.ReadAll(io.LimitReader(plain, maxFile))
	if err != nil {
		return nil, fmt.Errorf("it is damaged: %w; take it from its copy", err)
	}
	return content, nil
}

func parseKeyFile(raw []byte) (signingKey, error) {
	block, _ := pem.Decode(raw)
	if block == nil || block.Type != pemType {
		return signingKey{}, fmt.Errorf("not a PEM file with a %s; make one with doorlicense keygen", pemType)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	private, ok := parsed.(ed25519.PrivateKey)
	if err != nil || !ok {
		return signingKey{}, errors.New("not an Ed25519 key in PKCS #8; make one with doorlicense keygen")
	}
	key := signingKey{pub: private.Public().(ed25519.PublicKey), private: private}
	first, _, _ := strings.Cut(string(raw), "\n")
	for _, role := range []string{roleRoot, roleIssuer, roleCommand} {
		if first == rolePrefix+role {
			key.role = role
		}
	}
	return key, nil
}

// passphrase is what opens a key file: the first line of a file, or what is typed.
func (d desk) passphrase(file, prompt string) (string, error) {
	if file != "" {
		raw, err := readPrivate("passphrase file", file)
		if err != nil {
			return "", err
		}
		line, _, _ := strings.Cut(string(raw), "\n")
		if line = strings.TrimSuffix(line, "\r"); line == "" {
			return "", fmt.Errorf("cannot use passphrase file %s: its first line is empty; write the passphrase there", file)
		}
		return line, nil
	}
	if d.ask == nil {
		return "", errors.New("cannot ask for the passphrase: the input is no terminal; name a file that holds it with --passphrase-file")
	}
	typed, err := d.ask(prompt)
	if err != nil {
		return "", fmt.Errorf("cannot read passphrase: %w", err)
	}
	if typed == "" {
		return "", errors.New("cannot go on without the passphrase; nothing was changed")
	}
	return typed, nil
}

// newPassphrase is one that is given for the first time: long enough, and typed twice.
func (d desk) newPassphrase(file, path string) (string, error) {
	chosen, err := d.passphrase(file, "New passphrase for "+path)
	if err != nil {
		return "", err
	}
	if len([]rune(chosen)) < minPassphrase {
		return "", fmt.Errorf("cannot use this passphrase: fewer than %d characters; take four words or more", minPassphrase)
	}
	if file == "" {
		again, err := d.passphrase("", "The same again")
		if err != nil {
			return "", err
		}
		if again != chosen {
			return "", errors.New("cannot use this passphrase: it was not the same twice; nothing was changed, try again")
		}
	}
	return chosen, nil
}

// readPrivate reads a file that nobody but its owner may read.
func readPrivate(what, path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", what, err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("cannot use %s %s: others may read it (mode %04o); chmod 600 it, and replace the key if somebody may have", what, path, info.Mode().Perm())
	}
	return readSmall(path)
}

// writeNew makes a file that only its owner may read, whole and on the disk, or not at all.
func writeNew(path string, content []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return syncFolder(path)
}

// replaceFile puts new content under a name; at every instant one whole file stands there.
func replaceFile(path string, content []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.new")
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return syncFolder(path)
}

func syncFolder(path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

const maxFile = 4 << 20

// readSmall reads a file of a size that a code, its picture or a key may have.
func readSmall(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read file: %w", err)
	}
	defer file.Close()
	return readAll(file, path)
}

func readAll(from io.Reader, name string) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(from, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", name, err)
	}
	if len(raw) > maxFile {
		return nil, fmt.Errorf("cannot read %s: larger than %d MiB, no code is", name, maxFile>>20)
	}
	return raw, nil
}
