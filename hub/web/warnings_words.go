package web

import (
	"slices"

	"github.com/doorpanel/doorpanel/hub/fleet"
)

func deliveryStateTitle(s fleet.DeliveryState) string {
	_, words := deliveryWords(fleet.Delivery{State: s})
	if s == fleet.Committing {
		words = "being sent, nearly there"
	}
	return words
}

// braces writes a name as a template has it.
func braces(name string) string { return "{" + name + "}" }

// templateKinds are the kinds, each once, in the order of the list.
func templateKinds(all []Template) []Template {
	var kinds []Template
	for _, t := range all {
		if !slices.ContainsFunc(kinds, func(k Template) bool { return k.Kind == t.Kind }) {
			kinds = append(kinds, t)
		}
	}
	return kinds
}

// templateVariants are the languages and channels of one kind.
func templateVariants(all []Template, kind string) []Template {
	return slices.DeleteFunc(slices.Clone(all), func(t Template) bool { return t.Kind != kind })
}
