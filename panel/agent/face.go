package agent

import (
	"context"
	"sync"

	"github.com/doorpanel/doorpanel/panel"
)

// Face is what stands on the display and what was last heard.
type Face struct {
	Version uint64 // grows with every change
	Text    string
	Light   panel.Light
	Tone    panel.Tone
}

type face struct {
	mu      sync.Mutex
	now     Face
	changed chan struct{} // closed and replaced at every change
}

func (f *face) show(s panel.Signal) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now.Version++
	if s.Light != "" {
		f.now.Light = s.Light
	}
	if s.Tone != "" {
		f.now.Tone = s.Tone
	}
	if s.Text != "" || s.Clear {
		f.now.Text = s.Text
	}
	close(f.changed)
	f.changed = make(chan struct{})
}

// Face is what visitors see now.
func (a *Agent) Face() Face {
	a.face.mu.Lock()
	defer a.face.mu.Unlock()
	return a.face.now
}

// WaitFace returns nil once the face differs from version.
func (a *Agent) WaitFace(ctx context.Context, version uint64) error {
	for {
		a.face.mu.Lock()
		now, changed := a.face.now.Version, a.face.changed
		a.face.mu.Unlock()
		if now != version {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
