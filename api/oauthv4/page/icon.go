package page

import "html/template"

// icons are what stands before a permission, by the key of its message.
var icons = map[string]string{
	"scope.SMS":                 "text",
	"scope.MMS":                 "picture",
	"scope.IMMN":                "send",
	"scope.MOBO":                "send",
	"scope.MIM":                 "mailbox",
	"scope.NOTIFICATIONCHANNEL": "bell",
	"scope.WEBRTCMOBILE":        "call",
	"scope.WEBRTC":              "call",
	"scope.CMS":                 "call",
	"scope.EMERGENCYSERVICES":   "emergency",
	"scope.TL":                  "place",
	"scope.DC":                  "phone",
	"scope.PAYMENT":             "card",
	"scope.SPEECH":              "voice",
	"scope.STTC":                "voice",
	"scope.TTS":                 "speaker",
	"scope.ADS":                 "spark",
	"scope.WAP":                 "link",
	"scope.AAB":                 "people",
	"scope.other":               "key",
}

// strokes are the pictures: lines of 1.6 on 24 by 24, in the colour of the text around them.
var strokes = map[string]string{
	"text":      `<path d="M4 5.5h16v11H9.5L5 20v-3.5H4z"/><path d="M8 9.5h8M8 12.5h5"/>`,
	"picture":   `<rect x="3.5" y="5" width="17" height="14" rx="2"/><circle cx="8.5" cy="10" r="1.5"/><path d="m4 17 5-4 3.5 2.5L16 11l4.5 4.5"/>`,
	"send":      `<path d="M20.5 3.5 10 14M20.5 3.5 14 20.5 10 14 3.5 10z"/>`,
	"mailbox":   `<rect x="3.5" y="5.5" width="17" height="13" rx="2"/><path d="m4 7.5 8 6 8-6"/>`,
	"bell":      `<path d="M6 16.5V11a6 6 0 0 1 12 0v5.5l1.5 1.5h-15zM10 21h4"/>`,
	"call":      `<path d="M5 4h4l1.5 4.5L8 10.5a12 12 0 0 0 5.5 5.5l2-2.5L20 15v4a1.5 1.5 0 0 1-1.5 1.5A15 15 0 0 1 3.5 5.5 1.5 1.5 0 0 1 5 4z"/>`,
	"emergency": `<path d="M12 3.5 4.5 6.5V11c0 4.5 3 8 7.5 9.5 4.5-1.5 7.5-5 7.5-9.5V6.5z"/><path d="M12 8v4.5M12 15.5v.1"/>`,
	"place":     `<path d="M12 21c4-4.5 6.5-7.5 6.5-11a6.5 6.5 0 0 0-13 0c0 3.5 2.5 6.5 6.5 11z"/><circle cx="12" cy="10" r="2.3"/>`,
	"phone":     `<rect x="7" y="3" width="10" height="18" rx="2.5"/><path d="M11 17.8h2"/>`,
	"card":      `<rect x="3" y="5.5" width="18" height="13" rx="2"/><path d="M3 10h18M7 15h3"/>`,
	"voice":     `<rect x="9.5" y="3.5" width="5" height="10" rx="2.5"/><path d="M6 11.5a6 6 0 0 0 12 0M12 17.5v3"/>`,
	"speaker":   `<path d="M4 9.5h3.5L12 5.5v13l-4.5-4H4zM15.5 9a4.5 4.5 0 0 1 0 6M18 6.5a8 8 0 0 1 0 11"/>`,
	"spark":     `<path d="M4 10v4h3l9 4.5v-13L7 10zM19.5 10.5v3M8 14.5V19h3v-3"/>`,
	"link":      `<path d="M10 14a4 4 0 0 0 6 .5l3-3a4 4 0 0 0-5.7-5.7l-1.2 1.2M14 10a4 4 0 0 0-6-.5l-3 3a4 4 0 0 0 5.7 5.7l1.2-1.2"/>`,
	"people":    `<circle cx="9" cy="8.5" r="3.5"/><path d="M2.5 19.5a6.5 6.5 0 0 1 13 0M16 5.3a3.5 3.5 0 0 1 0 6.4M18 14a6.5 6.5 0 0 1 3.5 5.5"/>`,
	"key":       `<circle cx="8" cy="15.5" r="4"/><path d="m11 12.5 8.5-8.5M15.5 8l3 3"/>`,
	"window":    `<rect x="3" y="4.5" width="18" height="15" rx="2"/><path d="M3 9h18M6 6.8h.1M8.5 6.8h.1"/>`,
	"check":     `<path d="m5 12.5 4.5 4.5L19 7.5"/>`,
	"alert":     `<circle cx="12" cy="12" r="9"/><path d="M12 7.5V13M12 16.2v.1"/>`,
	"flask":     `<path d="M9.5 3.5h5M10.5 3.5V10l-5.7 9a1 1 0 0 0 .9 1.5h12.6a1 1 0 0 0 .9-1.5L13.5 10V3.5M7.5 15h9"/>`,
	"more":      `<path d="m9 5.5 6.5 6.5L9 18.5"/>`,
}

// icon draws a picture, which says nothing that is not written beside it.
func icon(name string) template.HTML {
	return template.HTML(`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true">` + strokes[name] + `</svg>`)
}
