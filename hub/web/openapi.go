package web

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// openAPI describes the routes of the API in OpenAPI 3.1, by example.
func openAPI(routes []route) ([]byte, error) {
	paths := map[string]object{}
	for _, rt := range routes {
		if !isAPI(rt) {
			continue
		}
		if paths[rt.Pattern] == nil {
			paths[rt.Pattern] = object{}
		}
		paths[rt.Pattern][strings.ToLower(rt.Method)] = operation(rt)
	}
	b, err := json.Marshal(object{
		"openapi": "3.1.0",
		"info": object{"title": "doorhub", "version": "1",
			"description": "The hub's API. x-access is what a caller needs: public, login (any user), local (a program on the hub's host, or the right hub.health), or else the right of that name, at the place that is asked about."},
		"paths": paths,
		"components": object{
			"securitySchemes": object{
				"bearer": object{"type": "http", "scheme": "bearer"},
				"cookie": object{"type": "apiKey", "in": "cookie", "name": cookies.Secure()},
			},
			"responses": object{"Problem": object{
				"description": "Problem details (RFC 9457); type ends in a word that never changes",
				"content":     object{"application/problem+json": object{"example": problem(http.StatusConflict, "conflict", "there is a site with the id mill-lane already; choose another id")}},
			}},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("cannot describe the API: %w", err)
	}
	return b, nil
}

// isAPI tells whether a route is for programs.
func isAPI(rt route) bool {
	return strings.HasPrefix(rt.Pattern, "/api/") || rt.Pattern == "/healthz" || rt.Pattern == "/readyz" || rt.Pattern == "/metrics"
}

func operation(rt route) object {
	success := object{"description": http.StatusText(rt.Status)}
	switch {
	case rt.Response != nil:
		success["content"] = object{cmp.Or(rt.Media, "application/json"): object{"example": rt.Response}}
	case rt.Media != "":
		success["content"] = object{rt.Media: object{}}
	}
	op := object{
		"summary":     rt.Summary,
		"operationId": operationID(rt),
		"x-access":    rt.Access,
		"responses": object{
			strconv.Itoa(rt.Status): success,
			"default":               object{"$ref": "#/components/responses/Problem"},
		},
	}
	if rt.Access != Public {
		op["security"] = []object{{"bearer": []string{}}, {"cookie": []string{}}}
	}
	if rt.Request != nil {
		op["requestBody"] = object{"required": true, "content": object{"application/json": object{"example": rt.Request}}}
	}
	var parameters []object
	for _, m := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(rt.Pattern, -1) {
		parameters = append(parameters, object{"name": m[1], "in": "path", "required": true, "schema": object{"type": "string"}})
	}
	for _, name := range rt.Query {
		parameters = append(parameters, object{"name": name, "in": "query", "schema": object{"type": "string"}})
	}
	if parameters != nil {
		op["parameters"] = parameters
	}
	return op
}

// operationID is the method and the fixed words of the address, such as put-users-one.
func operationID(rt route) string {
	words := strings.FieldsFunc(strings.TrimPrefix(rt.Pattern, api), func(r rune) bool { return r == '/' })
	words = slices.DeleteFunc(words, func(w string) bool { return strings.HasPrefix(w, "{") })
	if strings.HasSuffix(rt.Pattern, "}") {
		words = append(words, "one")
	}
	return strings.ToLower(rt.Method) + "-" + strings.Join(words, "-")
}
