package guard

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// Start runs the executable as the guard of the strikes and keeps one running until Close, or until ctx ends. It
// returns once the guard has its lines; an error says why it has not. A service manager must not kill the guard
// together with the panel: systemd's KillMode is to stay control-group, or be process.
func Start(ctx context.Context, executable string, o Options) (*Strikes, error) {
	if o.Args == nil {
		o.Args = []string{"guard"}
	}
	return start(ctx, func() (process, error) { return spawn(executable, o) }, o)
}

func spawn(executable string, o Options) (process, error) {
	guardIn, in, err := os.Pipe()
	if err != nil {
		return process{}, fmt.Errorf("cannot make pipe: %w", err)
	}
	out, guardOut, err := os.Pipe()
	if err != nil {
		_, _ = guardIn.Close(), in.Close()
		return process{}, fmt.Errorf("cannot make pipe: %w", err)
	}
	c := exec.Command(executable, o.Args...)
	c.Stdin, c.Stdout, c.Stderr = guardIn, guardOut, o.Stderr
	// A session of its own: what a terminal sends to the panel's group does not reach the guard.
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = c.Start()
	// The guard has its own ends now. Ours must be closed, else the pipe never ends.
	_, _ = guardIn.Close(), guardOut.Close()
	if err != nil {
		_, _ = in.Close(), out.Close()
		return process{}, fmt.Errorf("cannot run %s: %w", executable, err)
	}
	done := make(chan struct{})
	go func() {
		// How it ended says less than what it answered and printed.
		_ = c.Wait()
		close(done)
	}()
	return process{in: in, out: out, kill: func() { _ = c.Process.Kill() }, done: done}, nil
}
