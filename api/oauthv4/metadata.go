package oauthv4

import (
	"net/http"

	"longlines/app"
	"longlines/gateway"
	"longlines/oauth"
)

// metadata are the members of RFC 8414 §2 and of the RFCs that added to them.
type metadata struct {
	Issuer             string   `json:"issuer"`
	Authorize          string   `json:"authorization_endpoint"`
	Token              string   `json:"token_endpoint"`
	Revoke             string   `json:"revocation_endpoint"`
	Introspect         string   `json:"introspection_endpoint"`
	Push               string   `json:"pushed_authorization_request_endpoint"` // RFC 9126 §5
	Scopes             []string `json:"scopes_supported"`
	ResponseTypes      []string `json:"response_types_supported"`
	ResponseModes      []string `json:"response_modes_supported"`
	Grants             []string `json:"grant_types_supported"`
	TokenAuth          []string `json:"token_endpoint_auth_methods_supported"`
	TokenAuthAlgs      []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	RevokeAuth         []string `json:"revocation_endpoint_auth_methods_supported"`
	RevokeAuthAlgs     []string `json:"revocation_endpoint_auth_signing_alg_values_supported"`
	IntrospectAuth     []string `json:"introspection_endpoint_auth_methods_supported"`
	IntrospectAuthAlgs []string `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	Challenges         []string `json:"code_challenge_methods_supported"`               // RFC 7636; plain is refused
	ProofAlgs          []string `json:"dpop_signing_alg_values_supported"`              // RFC 9449 §5.1
	Iss                bool     `json:"authorization_response_iss_parameter_supported"` // RFC 9207 §3
	Locales            []string `json:"ui_locales_supported"`
	Documentation      string   `json:"service_documentation"`
}

// metadata says what is supported, for clients that configure themselves by it. It is the same for all
// and holds no secret, so pages of any origin may read it, and caches may keep it for an hour.
func (h handler) metadata(*gateway.Call) (gateway.Reply, error) {
	algs := oauth.Algorithms()
	proving := []string{"client_secret_basic", "client_secret_post", string(app.AuthKey)}
	all := append(proving[:len(proving):len(proving)], string(app.AuthNone))
	var scopes []string
	for _, s := range app.Scopes() {
		scopes = append(scopes, string(s))
	}
	return gateway.Reply{
		Header: http.Header{"Cache-Control": {"public, max-age=3600"}, "Access-Control-Allow-Origin": {"*"}},
		Body: metadata{
			Issuer: h.Issuer, Authorize: h.Issuer + pathAuthorize, Token: h.Issuer + pathToken, Revoke: h.Issuer + pathRevoke,
			Introspect: h.Issuer + pathIntrospect, Push: h.Issuer + pathPush,
			Scopes: scopes, ResponseTypes: []string{"code"}, ResponseModes: []string{"query"},
			Grants:    []string{grantCode, grantRefresh, grantClient},
			TokenAuth: all, TokenAuthAlgs: algs, RevokeAuth: all, RevokeAuthAlgs: algs, IntrospectAuth: proving, IntrospectAuthAlgs: algs,
			Challenges: []string{"S256"}, ProofAlgs: algs, Iss: true, Locales: []string{"en", "es"},
			Documentation: h.Issuer + "/errors",
		},
	}, nil
}
