package hub

import "github.com/doorpanel/doorpanel/hub/store"

var (
	_ Store        = (*store.Store)(nil)
	_ LicenseShelf = (*store.Store)(nil)
	_ Papers       = (*store.Store)(nil)
)
