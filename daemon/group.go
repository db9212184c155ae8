package daemon

import "context"

// Group is goroutines that are stopped together. Start and Stop are called by one goroutine.
type Group struct {
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{}
	count  int
}

// NewGroup makes an empty group below ctx.
func NewGroup(ctx context.Context) *Group {
	g := &Group{done: make(chan struct{})}
	g.ctx, g.cancel = context.WithCancel(ctx)
	return g
}

// Start runs f in a goroutine of the group; f returns when its context ends.
func (g *Group) Start(f func(context.Context)) {
	g.count++
	go func() {
		f(g.ctx)
		g.done <- struct{}{}
	}()
}

// Stop ends all of them and waits for them.
func (g *Group) Stop() {
	g.cancel()
	for range g.count {
		<-g.done
	}
	g.count = 0
}
