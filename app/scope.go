package app

import (
	"maps"
	"slices"
	"strings"
)

// Scope is what a token opens, spelled as published (docs/reference/oauth.md §6).
type Scope string

// The scopes of the platform.
const (
	ScopeSMS                 Scope = "SMS"
	ScopeMMS                 Scope = "MMS"
	ScopeIMMN                Scope = "IMMN"
	ScopeMIM                 Scope = "MIM"
	ScopeMOBO                Scope = "MOBO"
	ScopeNotificationChannel Scope = "NOTIFICATIONCHANNEL"
	ScopeWebRTCMobile        Scope = "WEBRTCMOBILE"
	ScopeWebRTC              Scope = "WEBRTC"
	ScopeEmergencyServices   Scope = "EMERGENCYSERVICES"
	ScopeTL                  Scope = "TL"
	ScopeDC                  Scope = "DC"
	ScopePayment             Scope = "PAYMENT"
	ScopeCMS                 Scope = "CMS"
	ScopeSpeech              Scope = "SPEECH"
	ScopeTTS                 Scope = "TTS"
	ScopeSTTC                Scope = "STTC"
	ScopeADS                 Scope = "ADS"
	ScopeWAP                 Scope = "WAP"
	ScopeAAB                 Scope = "AAB"
)

// scopes says of each known scope whether it needs a person's consent, that is the
// authorization_code grant.
var scopes = map[Scope]bool{
	ScopeSMS: false, ScopeMMS: false, ScopeIMMN: true, ScopeMIM: true, ScopeMOBO: true,
	ScopeNotificationChannel: false, ScopeWebRTCMobile: true, ScopeWebRTC: false,
	ScopeEmergencyServices: false, ScopeTL: true, ScopeDC: true, ScopePayment: false, ScopeCMS: false,
	ScopeSpeech: false, ScopeTTS: false, ScopeSTTC: false, ScopeADS: false, ScopeWAP: false, ScopeAAB: true,
}

// Scopes lists the scopes of the platform by name.
func Scopes() []Scope { return slices.Sorted(maps.Keys(scopes)) }

// Known reports whether the scope exists on the platform.
func (s Scope) Known() bool { _, ok := scopes[s]; return ok }

// NeedsPerson reports whether the scope is given only with a subscriber's consent.
func (s Scope) NeedsPerson() bool { return scopes[s] }

// ParseScopes reads a list separated by commas or blanks (docs/reference/oauth.md §2), in order,
// without repetition. Names are taken as they are written: the published ones are all capitals.
// The list is at most 64 long; what is beyond is not read.
func ParseScopes(list string) []Scope {
	var out []Scope
	for f := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' }) {
		if s := Scope(f); !slices.Contains(out, s) && len(out) < 64 {
			out = append(out, s)
		}
	}
	return out
}

// JoinScopes is the form in which scopes are kept and shown: comma-separated.
func JoinScopes(list []Scope) string {
	switch len(list) {
	case 0:
		return ""
	case 1:
		return string(list[0])
	}
	var b strings.Builder
	for i, s := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(string(s))
	}
	return b.String()
}
