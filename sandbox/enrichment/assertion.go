package enrichment

import (
	"crypto/rand"
	"encoding/json"
	"strings"
	"time"

	"longlines/number"
)

// life of an assertion. The platform takes at most a minute.
const life = 30 * time.Second

// claims are what an assertion says (docs/reference/reliability.md T2).
type claims struct {
	Issuer  string `json:"iss"`
	Subject string `json:"sub"`  // "tel:+14255550100"
	Host    string `json:"host"` // as the browser sent it
	Path    string `json:"path"` // as it stands on the request line, without query
	Address string `json:"addr"` // the device's
	Issued  int64  `json:"iat"`
	Expires int64  `json:"exp"`
	ID      string `json:"jti"`
}

// assert says whose device a request comes from: a compact JWS with HS256 (RFC 7515 §3.1).
func (p *Proxy) assert(m number.MSISDN, host, path, device string) (string, error) {
	now := p.cfg.Now()
	payload, err := json.Marshal(claims{
		Issuer: p.cfg.Issuer, Subject: m.Tel(), Host: host, Path: path, Address: device,
		Issued: now.Unix(), Expires: now.Add(life).Unix(), ID: rand.Text(),
	})
	if err != nil {
		return "", err
	}
	signed, err := p.signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// recognised reports whether the network authenticates a phone: all but +1 NPA 555 0153
// (docs/reference/conventions.md §3.11).
func recognised(m number.MSISDN) bool {
	return !(m.IsNANP() && strings.HasSuffix(string(m), "5550153"))
}

// identifies reports whether a header says, or said on some carrier's network, who or where its sender is.
// Case and separators do not count: what stands behind the platform may take X_MSISDN or x.msisdn for
// X-MSISDN, as CGI does (RFC 3875 §4.1.18).
func identifies(name string) bool {
	plain := strings.Map(func(r rune) rune {
		switch {
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		case 'a' <= r && r <= 'z' || '0' <= r && r <= '9':
			return r
		}
		return -1
	}, name)
	for _, word := range []string{"msisdn", "subscriber", "subno", "callinglineid", "forwarded", "clientip", "realip", "imsi", "imei"} {
		if strings.Contains(plain, word) {
			return true
		}
	}
	for _, begin := range []string{"xup", "xvf", "xatt", "xnokia", "xwap", "xorange", "xh3g", "xnetworkinfo", "xacr"} {
		if strings.HasPrefix(plain, begin) {
			return true
		}
	}
	return false
}
