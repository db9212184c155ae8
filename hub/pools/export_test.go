package pools

import "context"

// Round does once all that Run does.
func (p *Pools) Round(ctx context.Context) error { return p.round(ctx, true) }
