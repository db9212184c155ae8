package sip

import (
	"errors"
	"strings"

	stack "github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
)

var errChallenge = errors.New("the exchange asks for a login of a kind that is not supported (MD5 and SHA-256 are)")

// authorize answers the challenge of res in req. Of several challenges (RFC 8760) the strongest that we can do is taken;
// the first alone would fail at exchanges that begin with one we cannot.
func authorize(req *stack.Request, res *stack.Response, user string, password Secret) (stale bool, err error) {
	ask, give := "WWW-Authenticate", "Authorization"
	if res.StatusCode == 407 {
		ask, give = "Proxy-Authenticate", "Proxy-Authorization"
	}
	var best *digest.Challenge
	for _, h := range res.GetHeaders(ask) {
		c, err := digest.ParseChallenge(h.Value())
		if err != nil {
			continue
		}
		// Exchanges write md5 in lower case; lists of protections come with spaces.
		c.Algorithm = strings.ToUpper(c.Algorithm)
		for i := range c.QOP {
			c.QOP[i] = strings.TrimSpace(c.QOP[i])
		}
		if len(c.QOP) > 0 && !c.SupportsQOP("auth") || !digest.CanDigest(c) {
			continue
		}
		if best == nil || strength(c) > strength(best) {
			best = c
		}
	}
	if best == nil {
		return false, errChallenge
	}
	cred, err := digest.Digest(best, digest.Options{
		Method: string(req.Method), URI: req.Recipient.String(), Username: user, Password: string(password),
	})
	if err != nil {
		return false, errChallenge
	}
	req.RemoveHeader(give)
	req.AppendHeader(stack.NewHeader(give, cred.String()))
	return best.Stale, nil
}

func strength(c *digest.Challenge) int {
	if strings.HasPrefix(c.Algorithm, "SHA") {
		return 1
	}
	return 0
}
