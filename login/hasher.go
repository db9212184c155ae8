package login

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/alexedwards/argon2id"
)

// Hasher checks passwords, one at a time: each takes 19 MiB, and a small box has not many of those. It is safe for concurrent
// use.
type Hasher struct {
	turn  chan struct{}
	queue chan struct{} // who waits for a turn
	// nobody is compared against for users that do not exist, so that they take as long as others.
	nobody func() (string, error)
}

// Params are the OWASP minimum for argon2id: the library's own would take 64 MiB for each try.
func Params() *argon2id.Params {
	return &argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}
}

// maxQueue bounds who waits for a turn; whoever comes then is told to come again.
const maxQueue = 8

// NewHasher makes a hasher.
func NewHasher() *Hasher {
	h := &Hasher{turn: make(chan struct{}, 1), queue: make(chan struct{}, maxQueue)}
	h.nobody = sync.OnceValues(func() (string, error) { return argon2id.CreateHash(NewToken(), Params()) })
	return h
}

func (h *Hasher) do(ctx context.Context, work func() error) error {
	select {
	case h.queue <- struct{}{}:
		defer func() { <-h.queue }()
	default:
		return &Refusal{Status: http.StatusServiceUnavailable, Slug: "busy", Detail: "too many logins at once; try again", Wait: time.Second}
	}
	select {
	case h.turn <- struct{}{}:
		defer func() { <-h.turn }()
		return work()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Hash makes what is stored of a password. The error is a *Refusal when too many wait, or that of ctx.
func (h *Hasher) Hash(ctx context.Context, password string) (hash string, err error) {
	err = h.do(ctx, func() error {
		hash, err = argon2id.CreateHash(password, Params())
		return err
	})
	return hash, err
}

// Matches compares in constant time; an empty hash never matches and takes as long. Its errors are those of Hash.
func (h *Hasher) Matches(ctx context.Context, password, hash string) (match bool, err error) {
	err = h.do(ctx, func() error {
		known := hash != ""
		if !known {
			if hash, err = h.nobody(); err != nil {
				return err
			}
		}
		match, err = argon2id.ComparePasswordAndHash(password, hash)
		match = match && known
		return err
	})
	return match, err
}
