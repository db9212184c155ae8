package notify

import "time"

// Failure is why a message was not handed over, in the server's words where it spoke.
type Failure struct {
	Words     string
	Forever   bool          // trying again with the same address would bring the same
	Ambiguous bool          // the server may have taken it
	Everybody bool          // it is not about this message: nobody is reached over this channel now
	Wait      time.Duration // how long the server asks to be left alone
}

// Error is the words.
func (f *Failure) Error() string { return f.Words }

// Permanent tells whether trying again would bring the same.
func (f *Failure) Permanent() bool { return f.Forever }

// Unclear tells whether the server may have taken the message.
func (f *Failure) Unclear() bool { return f.Ambiguous }

// Down tells whether nobody is reached over this channel now.
func (f *Failure) Down() bool { return f.Everybody }

// RetryAfter is how long the server asks to be left alone, 0 when it says nothing.
func (f *Failure) RetryAfter() time.Duration { return f.Wait }
