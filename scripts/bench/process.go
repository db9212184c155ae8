package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// patience is how long a peer may take for what it must do. Nothing is timed by it.
const patience = 30 * time.Second

// process is a program under measurement.
type process struct {
	cmd   *exec.Cmd
	first string        // the line that said it was ready
	ready time.Duration // from exec to that line
}

// start runs a program and waits until a line of its output has the mark in it. What it says is kept for the error only.
func start(mark, program string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(program, args...)}
	out, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.cmd.Stdout, p.cmd.Stderr = w, w
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	begin := time.Now()
	err = errors.Join(p.cmd.Start(), w.Close())
	if err != nil {
		out.Close()
		return nil, fmt.Errorf("cannot start %s: %w", program, err)
	}
	said := make(chan error, 1)
	go func() {
		defer out.Close()
		var before bytes.Buffer
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if strings.Contains(lines.Text(), mark) {
				p.ready, p.first = time.Since(begin), lines.Text()
				said <- nil
				_, _ = io.Copy(io.Discard, out)
				return
			}
			fmt.Fprintln(&before, lines.Text())
		}
		said <- fmt.Errorf("%s ended before it was ready:\n%s", program, before.String())
	}()
	select {
	case err = <-said:
	case <-time.After(patience):
		err = fmt.Errorf("%s did not say %q within %v", program, mark, patience)
	}
	if err != nil {
		p.kill()
		return nil, err
	}
	return p, nil
}

// stop asks the program to end and waits for it.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer late.Stop()
	_ = p.cmd.Wait() // many a daemon ends a SIGTERM with a code of its own
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// usage is what a process has used so far, as the kernel counts it.
type usage struct {
	switches int64 // context switches of all threads
	ticks    int64 // of CPU time, 10 ms each
	rssKiB   int64
	pssKiB   int64
}

func (p *process) usage() (u usage, err error) {
	proc := filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid))
	tasks, err := filepath.Glob(filepath.Join(proc, "task", "*", "status"))
	if err != nil || len(tasks) == 0 {
		return u, fmt.Errorf("cannot read %s: the process is gone", proc)
	}
	for _, task := range tasks {
		for _, key := range []string{"voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"} {
			n, err := field(task, key)
			if err != nil {
				return u, err
			}
			u.switches += n
		}
	}
	if u.rssKiB, err = field(filepath.Join(proc, "status"), "VmRSS"); err != nil {
		return u, err
	}
	if u.pssKiB, err = field(filepath.Join(proc, "smaps_rollup"), "Pss"); err != nil {
		return u, err
	}
	stat, err := os.ReadFile(filepath.Join(proc, "stat"))
	if err != nil {
		return u, err
	}
	// The name in parentheses may hold spaces; user and system time are the 12th and 13th field after it.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return u, err
		}
		u.ticks += n
	}
	return u, nil
}

// field reads one "Key: number" of a file in /proc.
func field(path, key string) (int64, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(raw)) {
		if name, value, ok := strings.Cut(line, ":"); ok && name == key {
			return strconv.ParseInt(strings.Fields(value)[0], 10, 64)
		}
	}
	return 0, fmt.Errorf("cannot read %s: there is no %s in it", path, key)
}

// goBuild builds one of our programs the way `make build` does.
func goBuild(ctx context.Context, out, pkg string, env ...string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, pkg)
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), env...)
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build %s: %w\n%s", pkg, err, said)
	}
	return nil
}
