package web

import (
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
	parameter := regexp.MustCompile(`\{(\w+)\}`)
	paths := map[string]object{}
	for _, rt := range routes {
		if !strings.HasPrefix(rt.Pattern, "/api/") && !strings.HasSuffix(rt.Pattern, "z") && rt.Pattern != "/metrics" {
			continue
		}
		success := object{"description": http.StatusText(rt.Status)}
		switch {
		case strings.HasSuffix(rt.Pattern, "/events"):
			success["content"] = object{"text/event-stream": object{}}
		case rt.Response != nil:
			success["content"] = object{"application/json": object{"example": rt.Response}}
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
		if rt.Access != Public && rt.Access != Loopback {
			op["security"] = []object{{"bearer": []string{}}, {"cookie": []string{}}}
		}
		if rt.Request != nil {
			content := object{"application/json": object{"example": rt.Request}}
			if _, ok := rt.Request.(licenseRequest); ok {
				picture := object{"schema": object{"type": "string", "format": "binary"}}
				content["image/png"], content["image/jpeg"] = picture, picture
			}
			op["requestBody"] = object{"content": content}
		}
		var parameters []object
		for _, m := range parameter.FindAllStringSubmatch(rt.Pattern, -1) {
			parameters = append(parameters, object{"name": m[1], "in": "path", "required": true, "schema": object{"type": "string"}})
		}
		for _, name := range rt.Query {
			parameters = append(parameters, object{"name": name, "in": "query", "schema": object{"type": "string"}})
		}
		if parameters != nil {
			op["parameters"] = parameters
		}
		if paths[rt.Pattern] == nil {
			paths[rt.Pattern] = object{}
		}
		paths[rt.Pattern][strings.ToLower(rt.Method)] = op
	}
	b, err := json.Marshal(object{
		"openapi": "3.1.0",
		"info": object{"title": "doorpanel", "version": "1",
			"description": "The door panel's own API. x-access is who may call: public, user (any role), installer, administrator, or loopback (a program on the panel)."},
		"paths": paths,
		"components": object{
			"securitySchemes": object{
				"bearer": object{"type": "http", "scheme": "bearer"},
				"cookie": object{"type": "apiKey", "in": "cookie", "name": string(cookies)},
			},
			"responses": object{"Problem": object{
				"description": "Problem details (RFC 9457); type ends in a word that never changes",
				"content":     object{"application/problem+json": object{"example": problem(http.StatusUnprocessableEntity, "expired", "This license has expired.")}},
			}},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("cannot describe the API: %w", err)
	}
	return b, nil
}

// operationID is the method and the fixed words of the address, such as put-users.
func operationID(rt route) string {
	words := strings.FieldsFunc(strings.TrimPrefix(rt.Pattern, "/api/v1"), func(r rune) bool { return r == '/' })
	words = slices.DeleteFunc(words, func(w string) bool { return strings.HasPrefix(w, "{") })
	if strings.HasSuffix(rt.Pattern, "}") {
		words = append(words, "one")
	}
	return strings.ToLower(rt.Method) + "-" + strings.Join(words, "-")
}
