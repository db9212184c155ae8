package login

import (
	"net/http"
	"time"
)

// Refusal says why somebody does not come in, in words for that person.
type Refusal struct {
	Status int           // of HTTP
	Slug   string        // a word that never changes
	Detail string        // a sentence
	Wait   time.Duration // after which another try is taken; 0: nothing to wait for
}

func (r *Refusal) Error() string { return r.Detail }

// RetryAfter is Wait in whole seconds, as the header of that name has it: never too early.
func (r *Refusal) RetryAfter() int { return int((r.Wait + time.Second - 1) / time.Second) }

// TooMany refuses a try before the wait is over.
func TooMany(detail string, wait time.Duration) *Refusal {
	return &Refusal{Status: http.StatusTooManyRequests, Slug: "too-many-tries", Detail: detail, Wait: wait}
}
