package fault

import "time"

// The texts that several rows share (docs/reference/errors.md §2, §3).
const (
	textPolicy  = "A policy error occurred. Error code is %1"
	textService = "A service error has occurred. Error code is %1"
	textInput   = "Invalid input value for message part %1"

	// requestID is the slot that ForRequest fills.
	requestID = "<request id>"
)

// Policy faults, docs/reference/errors.md §2.
var (
	MissingAuthorization = &Fault{Code: "POL0001", Case: "authorization-missing", Status: 400, Text: textPolicy, Variables: []string{"Authorization parameter is missing"}}
	BadToken             = &Fault{Code: "POL0001", Case: "token-invalid", Status: 401, Text: textPolicy, Variables: []string{"Authorization parameter value is incorrect"}}
	ScopeNotAllowed      = &Fault{Code: "POL0001", Case: "scope", Status: 403, Text: textPolicy, Variables: []string{"The OAuth access token used in the request is not valid for the API"}}
	TooManyRequests      = &Fault{Code: "POL0001", Case: "quota-minute", Status: 403, Text: textPolicy, Variables: []string{"Too many requests"}}
	QuotaExceeded        = &Fault{Code: "POL0001", Case: "quota-day", Status: 403, Text: textPolicy, Variables: []string{"Quota exceeded"}}
	oldBadMSISDN         = &Fault{Code: "POL0001", Case: "invalid-msisdn", Text: "A Policy error occurred, Invalid MSISDN", Variables: []string{" "}}
	OptedOut             = &Fault{Code: "POL0002", Case: "no-consent", Status: 403, Text: "Privacy verification failed for address %1, request is refused"} // With(address)
	TooManyAddresses     = &Fault{Code: "POL0003", Case: "too-many-addresses", Status: 403, Text: "Too many addresses specified in Message part"}
	DuplicateAddresses   = &Fault{Code: "POL0013", Case: "duplicate-addresses", Status: 403, Text: "Duplicated addresses"}
	ChannelExists        = &Fault{Code: "POL1001", Case: "channel-exists", Status: 403, Text: "Channel already exists"}                         // With("channelId: " + id), one blank after the colon
	ReadOnlyParameter    = &Fault{Code: "POL1001", Case: "read-only", Status: 403, Text: "Attempt to modify read-only parameter %1"}            // With(name), which must not start with channelId
	pol1002              = &Fault{Code: "POL1002", Case: "no-meaning"}                                                                          // never raised
	NotProvisioned       = &Fault{Code: "POL1009", Case: "not-provisioned", Status: 403, Text: "User has not been provisioned for %1"}          // With(service)
	SessionLimit         = &Fault{Code: "POL1100", Case: "session-limit", Status: 403, Text: "Max number of session exceeded allowed limit %1"} // With(limit)
	TokenAlreadyBound    = &Fault{Code: "POL1101", Case: "token-bound", Status: 403, Text: "Token is already associated with a user"}
	SessionNotYours      = &Fault{Code: "POL1102", Case: "session-token", Status: 403, Text: "Session Id not associated with the token"}
	SubscriptionExists   = &Fault{Code: "POL9002", Case: "subscription-exists", Status: 403, Text: "Subscription already exists"} // With("subscriptionId: " + id)
	ContentTooLarge      = &Fault{Code: "POL9003", Case: "content-too-large", Status: 403, Text: "Message content size exceeds the allowable limit"}
)

// Service faults, docs/reference/errors.md §2 (end) and §3.
var (
	SMPPTemporary          = &Fault{Code: "SVC0001", Case: "smpp-0064", Status: 400, Text: textService, Variables: []string{"SMPP-0064 Temporary Error"}}
	SMPPInvalidDestination = &Fault{Code: "SVC0001", Case: "smpp-0066", Status: 400, Text: textService, Variables: []string{"SMPP-0066 Invalid Destination Address"}}
	SMPPNotProvisioned     = &Fault{Code: "SVC0001", Case: "smpp-000b", Status: 400, Text: textService, Variables: []string{"SMPP-000B Invalid Destination Address"}}
	IndexMissing           = &Fault{Code: "SVC0001", Case: "index-cache", Status: 409, Text: textService, Variables: []string{"Index cache does not exist"}}
	Dependency             = &Fault{Code: "SVC0001", Case: "dependency", Status: 400, Text: textService} // With(explanation)
	MessageNotFound        = &Fault{Code: "SVC0001", Case: "message-not-found", Status: 404, Text: "A service error has occurred: Requested message is not found. (" + requestID + ")"}
	Internal               = &Fault{Code: "SVC0001", Case: "internal", Status: 500, Text: textService, Variables: []string{"Internal error"}}
	Unavailable            = &Fault{Code: "SVC0001", Case: "unavailable", Status: 503, Text: textService, Variables: []string{"Temporarily unavailable"}, RetryAfter: 5 * time.Second}

	MissingParameter = &Fault{Code: "SVC0002", Case: "missing", Status: 400, Text: textInput}          // With(part)
	BadParameter     = &Fault{Code: "SVC0002", Case: "malformed", Status: 400, Text: textInput}        // With(part)
	UnknownID        = &Fault{Code: "SVC0002", Case: "unknown-id", Status: 400, Text: textInput}       // With("RequestIdentifier" or "RegistrationID")
	UnknownResource  = &Fault{Code: "SVC0002", Case: "unknown-resource", Status: 404, Text: textInput} // With("channelId", "subscriptionId" or "addressIdentifier")

	NotAllowedValue = &Fault{Code: "SVC0003", Case: "not-listed", Status: 400, Text: "Invalid input value for message part %1, valid values are %2"} // With(part, values...)
	NoValidAddress  = &Fault{Code: "SVC0004", Case: "no-valid-address", Status: 400, Text: "No valid addresses provided in the message part %1", Variables: []string{"Address"}}

	NotGeocoded          = &Fault{Code: "SVC0015", Case: "not-geocoded", Status: 400, Text: "Address is not valid address for E911 routing.Reason %1"} // With("street", "number", "city", "zip" or "routing")
	ConfirmationRequired = &Fault{Code: "SVC0016", Case: "confirmation-required", Status: 400, Text: "Address Confirmation Required"}
	ProviderUnavailable  = &Fault{Code: "SVC0017", Case: "provider-unavailable", Status: 400, Text: "NENA provider system is not available."}
	ProviderError        = &Fault{Code: "SVC0018", Case: "provider-error", Status: 400, Text: "NENA provider system error"}
	svc0019              = &Fault{Code: "SVC0019", Case: "no-meaning"} // never raised
	svc0020              = &Fault{Code: "SVC0020", Case: "no-meaning"} // never raised

	messageTooLong     = &Fault{Code: "SVC0280", Case: "message-too-long", Status: 400, Text: "Message too long. Maximum length is %1 characters"} // never raised
	ReceiptNotPossible = &Fault{Code: "SVC0283", Case: "receipt-not-possible", Status: 400, Text: "Delivery receipt notification not supported"}
	noResources        = &Fault{Code: "SVC1000", Case: "no-resources", Status: 503, Text: "No server resources available to process the request"} // never raised
	svc1002            = &Fault{Code: "SVC1002", Case: "no-meaning"}                                                                              // never raised

	CallInProgress   = &Fault{Code: "SVC8501", Case: "call-in-progress", Status: 409, Text: "Call %1 in progress"} // With(call id)
	ConferenceBusy   = &Fault{Code: "SVC8501", Case: "conference-busy", Status: 409, Text: "MediaConference ongoing update participant operation."}
	E911NotSupported = &Fault{Code: "SVC8510", Case: "e911-not-supported", Status: 400, Text: "E911 not supported for non-telephone users"}
	E911Mandatory    = &Fault{Code: "SVC8511", Case: "e911-mandatory", Status: 400, Text: "Valid e911Id is mandatory for %1"} // With("ICMN" or "VTN")
	TokenNotBound    = &Fault{Code: "SVC8512", Case: "token-not-bound", Status: 400, Text: "Unassigned token associate token to virtual number or account id"}
	TokenInUse       = &Fault{Code: "SVC8513", Case: "token-in-use", Status: 400, Text: "Token in use."}
	svc8514          = &Fault{Code: "SVC8514", Case: "no-meaning"} // never raised
)

// Answers that come from HTTP or from the gateway, docs/reference/errors.md §3.1.
var (
	NotFound         = &Fault{Code: "SVC0001", Case: "not-found", Status: 404, Text: textService, Variables: []string{"Resource not found"}}
	MethodNotAllowed = &Fault{Code: "SVC0001", Case: "method-not-allowed", Status: 405, Text: textService, Variables: []string{"Method not allowed"}}
	HeadTooLarge     = &Fault{Code: "SVC0001", Case: "head-too-large", Status: 431, Text: textService, Variables: []string{"Request header fields too large"}}
	BodyTooLarge     = &Fault{Code: "SVC0002", Case: "body-too-large", Status: 413, Text: textInput, Variables: []string{"Content-Length"}}
	MediaType        = &Fault{Code: "SVC0002", Case: "media-type", Status: 415, Text: textInput, Variables: []string{"Content-Type"}}
	ContentCoding    = &Fault{Code: "SVC0002", Case: "content-coding", Status: 415, Text: textInput, Variables: []string{"Content-Encoding"}}
	NotAcceptable    = &Fault{Code: "SVC0003", Case: "accept", Status: 400, Text: "Invalid input value for message part %1, valid values are %2", Variables: []string{"Accept", "application/json", "application/xml"}}
	Unparsable       = &Fault{Code: "SVC0002", Case: "unparsable", Status: 400, Text: textInput, Variables: []string{"Message"}} // With(the part where it broke)

	IdempotencyMalformed = &Fault{Code: "SVC0002", Case: "idempotency-malformed", Status: 400, Text: textInput, Variables: []string{"Idempotency-Key"}}
	IdempotencyMismatch  = &Fault{Code: "SVC0002", Case: "idempotency-mismatch", Status: 422, Text: textInput, Variables: []string{"Idempotency-Key"}}
	IdempotencyInFlight  = &Fault{Code: "SVC0002", Case: "idempotency-in-flight", Status: 409, Text: textInput, Variables: []string{"Idempotency-Key"}}

	BadGateway = &Fault{Code: "SVC0001", Case: "bad-gateway", Status: 502, Text: textService, Variables: []string{"Bad gateway"}}
)

// OAuth conditions, docs/reference/errors.md §5. Status 302 means that the
// error goes into the redirect.
var (
	ClientUnknown        = &Fault{Code: "invalid_client", Case: "unknown-client", Status: 401, Description: "unknown client"}
	ClientDeleted        = &Fault{Code: "invalid_client", Case: "deleted", Status: 401, Description: "unknown client"}
	ClientNotEnabled     = &Fault{Code: "invalid_client", Case: "not-enabled", Status: 401, Description: "client not enabled for that API"}
	ClientSecretWrong    = &Fault{Code: "invalid_client", Case: "wrong-secret", Status: 401, Description: "client authentication failed"}
	CodeMissing          = &Fault{Code: "invalid_request", Case: "code-missing", Status: 400, Description: "code missing"}
	GrantTypeMissing     = &Fault{Code: "invalid_request", Case: "grant-type-missing", Status: 400, Description: "grant_type missing"}
	ClientIDMissing      = &Fault{Code: "invalid_request", Case: "client-id-missing", Status: 400, Description: "client_id missing"}
	TokenMissing         = &Fault{Code: "invalid_request", Case: "token-missing", Status: 400, Description: "token missing"}
	RefreshTokenMissing  = &Fault{Code: "invalid_request", Case: "refresh-token-missing", Status: 400, Description: "refresh_token missing"}
	RedirectScheme       = &Fault{Code: "invalid_request", Case: "redirect-scheme", Status: 400, Description: "redirect_uri scheme"}
	RedirectMismatch     = &Fault{Code: "invalid_request", Case: "redirect-mismatch", Status: 400, Description: "redirect_uri mismatch"}
	OAuthRequest         = &Fault{Code: "invalid_request", Case: "http", Status: 400, Description: "request not valid"} // what OnOAuth makes of a 4xx of §3.1
	GrantTypeUnsupported = &Fault{Code: "unsupported_grant_type", Case: "grant-type", Status: 400, Description: "grant_type not supported"}
	InvalidGrant         = &Fault{Code: "invalid_grant", Case: "grant", Status: 400, Description: "code or refresh token not valid"}
	ScopeMissing         = &Fault{Code: "invalid_scope", Case: "scope-missing", Status: 400, Description: "scope missing"}
	ScopeInvalid         = &Fault{Code: "invalid_scope", Case: "scope-invalid", Status: 400, Description: "scope not valid"}
	RedirectScopeInvalid = &Fault{Code: "invalid_scope", Case: "redirect", Status: 302, Description: "scope not valid"}
	TokenTypeUnsupported = &Fault{Code: "unsupported_token_type", Case: "token-type", Status: 400, Description: "token type not supported"}
	NotOnNetwork         = &Fault{Code: "access_denied", Case: "not-on-network", Status: 302, Description: "not on network"}
	AccessDenied         = &Fault{Code: "access_denied", Case: "refused", Status: 302, Description: "refused by the user"}
	RedirectRequest      = &Fault{Code: "invalid_request", Case: "redirect-request", Status: 302, Description: "request not valid"}
	ResponseType         = &Fault{Code: "unsupported_response_type", Case: "response-type", Status: 302, Description: "response_type not supported"}
	ClientUnauthorized   = &Fault{Code: "unauthorized_client", Case: "client", Status: 400, Description: "client may not use this grant"}
	RequestURIInvalid    = &Fault{Code: "invalid_request_uri", Case: "request-uri", Status: 400, Description: "request_uri not valid"}
	ProofInvalid         = &Fault{Code: "invalid_dpop_proof", Case: "dpop", Status: 400, Description: "DPoP proof not valid"}
	OAuthNoAnswer        = &Fault{Code: "server_error", Case: "bad-gateway", Status: 502, Description: "no answer in time"}
	OAuthInternal        = &Fault{Code: "server_error", Case: "internal", Status: 500, Description: "internal error"}
	OAuthUnavailable     = &Fault{Code: "temporarily_unavailable", Case: "unavailable", Status: 503, Description: "temporarily unavailable", RetryAfter: 5 * time.Second}
)

// The published methods, as the table names them.
var (
	methodsInApp = []string{"IMMN Send Message", "IMMN Get Message List", "IMMN Get Message", "IMMN Get Message Content",
		"IMMN Create Message Index", "IMMN Get Message Index Info", "IMMN Get Messages Delta",
		"IMMN Update Message", "IMMN Update Messages", "IMMN Delete Message", "IMMN Delete Messages"}
	methodsListed = []string{"IMMN Create Message Index", "IMMN Delete Message", "IMMN Delete Messages",
		"IMMN Send Message", "IMMN Update Message", "IMMN Update Messages"}
	methodsClient = []string{"Get Access Token", "Get User Authorization", "Revoke Token"}
	methodsToken  = []string{"Get Access Token"}
	methodsRevoke = []string{"Revoke Token"}
	methodsAuth   = []string{"Get User Authorization"}
	methodsOAuth  = []string{"OAuth v4 Event Notification", "Get Access Token", "Get User Authorization", "Revoke Token"}
	methodsSMS    = []string{"SMS v2 Send SMS", "SMS v2 Get SMS Delivery Status", "SMS v2 Get SMS", "SMS v2 Receive SMS",
		"SMS v3 Send SMS", "SMS v3 Get SMS Delivery Status", "SMS v3 Get SMS", "SMS v3 Receive SMS", "SMS v3 Receive SMS Delivery Status"}
	methodsSend    = []string{"SMS v2 Send SMS", "SMS v3 Send SMS"}
	methodsAll     = []string{"all"}
	methodsSession = []string{"POST /RTC/v1/sessions"}
	methodsE911    = []string{"POST /emergencyServices/v1/e911Locations"}

	messaging = []string{APISMS, APIMMS, APIInApp}
	bearer    = []string{APISMS, APIMMS, APIInApp, APIWebhooks, APIRTC, APIE911} // every API that takes a bearer token
	everyAPI  = AllAPIs()
)

// related names, for each code, the codes worth a look beside it.
var related = map[string][]string{
	"POL0001":                 {"invalid_client", "invalid_scope", "SVC8512"},
	"POL0002":                 {"POL0001", "POL1009", "access_denied"},
	"POL0003":                 {"SVC0004", "POL0013"},
	"POL0013":                 {"POL0003", "SVC0004"},
	"POL1001":                 {"POL9002"},
	"POL1009":                 {"SVC0001", "POL0002"},
	"POL1100":                 {"SVC8513", "POL1102"},
	"POL1101":                 {"SVC8512", "SVC8513"},
	"POL1102":                 {"SVC8513", "POL1101"},
	"POL9002":                 {"POL1001"},
	"POL9003":                 {"SVC0002"},
	"SVC0001":                 {"SVC0004", "POL1009", "server_error"},
	"SVC0002":                 {"SVC0003", "SVC0004"},
	"SVC0003":                 {"SVC0002"},
	"SVC0004":                 {"SVC0002", "POL0003", "POL0013"},
	"SVC0015":                 {"SVC0016", "SVC0017"},
	"SVC0016":                 {"SVC0015"},
	"SVC0017":                 {"SVC0018"},
	"SVC0018":                 {"SVC0017"},
	"SVC0280":                 {"SVC0002"},
	"SVC0283":                 {"SVC0002"},
	"SVC1000":                 {"SVC0001"},
	"SVC8501":                 {"POL1102"},
	"SVC8510":                 {"SVC8511"},
	"SVC8511":                 {"SVC8510", "SVC0015"},
	"SVC8512":                 {"POL1101", "SVC8513"},
	"SVC8513":                 {"POL1100", "SVC8512"},
	"invalid_client":          {"invalid_scope", "POL0001"},
	"invalid_request":         {"unsupported_grant_type", "invalid_grant"},
	"invalid_grant":           {"invalid_request", "POL0001"},
	"invalid_scope":           {"invalid_client", "POL0001"},
	"unsupported_grant_type":  {"invalid_request"},
	"unsupported_token_type":  {"invalid_request"},
	"access_denied":           {"invalid_scope"},
	"server_error":            {"SVC0001", "temporarily_unavailable"},
	"temporarily_unavailable": {"server_error", "SVC0001"},
}

// unknownMeaning is the condition of the codes that the published table
// names without a meaning of their own (docs/reference/errors.md §4).
const unknownMeaning = "The published table names this code and prints the rows of SVC0001 under it, which is repetition and not a meaning. " +
	"It is in the catalogue so that nobody has to wonder, and it is never answered."

var table = []Row{
	// ── policy ─────────────────────────────────────────────────────────
	{
		Fault: MissingAuthorization, Title: "No Authorization header", Kind: KindPolicy, Blame: YourCode,
		Condition: "The request has no Authorization header, or an empty one.",
		Causes: []string{
			"The header is not set at all, or a proxy on the way removes it.",
			"The token variable is empty, so that the header ends after the word Bearer.",
		},
		Remedy: "Send Authorization: Bearer <token> with every call.",
		Steps: []string{
			"Ask for a token: POST /oauth/v4/token with client_id, client_secret, grant_type and scope.",
			"Send the access_token of the reply as Authorization: Bearer <token>. The word is read in any case of letters.",
			"If the header is set in your code, look at what arrives: the request record shows the names of all headers received.",
		},
		APIs: bearer, Methods: methodsAll, Source: "status SEED, text PAGE, variables inferred", Raised: true, DueIn: DueGateway,
		Provoke: "Leave the header out.",
	},
	{
		Fault: BadToken, Title: "Token unknown, expired or revoked", Kind: KindPolicy, Blame: YourCode,
		Condition: "The Authorization header is there, but its token is unknown, expired, revoked or malformed.",
		Causes: []string{
			"The token is older than the expires_in of its reply.",
			"The token was revoked, or the subscriber withdrew the consent behind it.",
			"The token belongs to another installation of the platform, or was cut when copied.",
		},
		Remedy: "Pass the right value; get a new or refreshed token.",
		Steps: []string{
			"Ask for a new token, or refresh it with grant_type=refresh_token.",
			"Repeat the call with the new token.",
			"Keep the time of issue and ask again a little before expires_in is over.",
		},
		APIs: bearer, Methods: methodsAll, Source: "status SEED and RTC, text PAGE, variables inferred", Raised: true, DueIn: DueGateway,
		Provoke: "Send Authorization: Bearer nonsense.",
	},
	{
		Fault: ScopeNotAllowed, Title: "Token without the scope of this API", Kind: KindPolicy, Blame: YourCode,
		Condition: "The token is valid, but none of its scopes opens this API.",
		Causes: []string{
			"The token was asked for with another scope than the API needs.",
			"A user's token is used where the app's own is needed, or the other way round.",
		},
		Remedy: "Ask for a token with the scope of the API.",
		Steps: []string{
			"Look up the scope: SMS for SMS, MMS for MMS, IMMN to send and MIM to read a mailbox, NOTIFICATIONCHANNEL for channels, WEBRTC or WEBRTCMOBILE for calls, EMERGENCYSERVICES for E911.",
			"Ask for a token with that scope; several are separated by commas.",
			"If the scope is refused, it is not on the account of the app.",
		},
		APIs: bearer, Methods: methodsAll, Source: "status SEED, text PAGE, variables inferred", Raised: true, DueIn: DueGateway,
		Provoke: "Use a token with the scope MMS for an SMS.",
	},
	{
		Fault: TooManyRequests, Title: "Too many requests in this minute", Kind: KindPolicy, Blame: Temporary,
		Condition: "The app has used up its calls to this API for the current clock minute.",
		Causes: []string{
			"A loop without a pause, or a poll that is too frequent.",
			"Many workers that share one App Key.",
		},
		Remedy: "Slow down; the limits depend on the service level.",
		Steps: []string{
			"Wait as long as the header Retry-After says; the window is the clock minute.",
			"Read the RateLimit header of every reply and slow down before the limit is reached.",
			"Send one request with several addresses in place of several requests.",
		},
		APIs: everyAPI, Methods: methodsAll, Source: "status SEED, text PAGE, variables inferred", Raised: true, DueIn: DueGateway, Modern: 429,
		Provoke: "longlines quota set --app demo --api SMS --per-minute 1, then call twice.",
	},
	{
		Fault: QuotaExceeded, Title: "Quota of the day used up", Kind: KindPolicy, Blame: YourAccount,
		Condition: "The app has used up its calls to this API for the current UTC day.",
		Causes: []string{
			"The app has outgrown the sandbox level.",
			"A runaway job used the quota; the request record shows which calls.",
		},
		Remedy: "Wait for the next UTC day, or get a higher level.",
		Steps: []string{
			"Look at Retry-After: it ends at midnight UTC.",
			"longlines quota show --app <name> lists what is allowed and what is used.",
			"Ask the operator for a higher quota or for the production level.",
		},
		APIs: everyAPI, Methods: methodsAll, Source: "status SEED (one row with quota-minute), text PAGE, variables inferred", Raised: true, DueIn: DueGateway, Modern: 429,
		Provoke: "longlines quota set --app demo --api SMS --per-day 1, then call twice.",
	},
	{
		Fault: oldBadMSISDN, Title: "Bad number on the oldest In-App API", Kind: KindPolicy, Blame: YourCode,
		Condition: "The first version of In-App Messaging answered so to a number it could not read. That version is not served, and the form is never answered.",
		Remedy:    "None needed.",
		APIs:      []string{APIInApp}, Source: "QUNIT/MIM", DueIn: DueNever,
	},
	{
		Fault: OptedOut, Title: "The recipient or the user has not consented", Kind: KindPolicy, Blame: YourAccount, Shape: "the address",
		Condition: "The app lacks the user's consent: a recipient has opted out of the app or blocked it (the whole request is refused); SMS v2 is asked for the status of a message whose recipient has opted out since; or the consent behind a user's token no longer covers the scope.",
		Causes: []string{
			"The recipient answered STOP to one of the app's messages.",
			"The subscriber withdrew the app's consent.",
		},
		Remedy: "Obtain consent; take the address off your list.",
		Steps: []string{
			"Remove the address named in Variables and send again to the others.",
			"Do not try again until the recipient opts in, by answering START or on your own page.",
		},
		APIs: messaging, Methods: []string{"IMMN Send Message", "SMS v2 Get SMS Delivery Status", "SMS v3 Send SMS"},
		Source: "status and text RTC and OMA, occasions inferred", Raised: true, Magic: "13", DueIn: DueSMSv3,
		Provoke: "A number ending in 14 opts out after its first message, for the status in SMS v2.",
	},
	{
		Fault: TooManyAddresses, Title: "Too many recipients in one send", Kind: KindPolicy, Blame: YourCode,
		Condition: "One send names more recipients than it may: 50 for SMS, 10 for MMS and In-App Messaging.",
		Remedy:    "Split the send.",
		Steps:     []string{"Send to at most 50 addresses at a time by SMS, at most 10 by MMS or In-App Messaging."},
		APIs:      messaging, Methods: []string{"IMMN Send Message"}, Source: "status and text RTC and QUNIT, limits of SMS and MMS inferred",
		Raised: true, DueIn: DueSMSv3, Provoke: "Send an SMS to 51 different numbers.",
	},
	{
		Fault: ChannelExists, Title: "The app has a channel already", Kind: KindPolicy, Blame: YourCode, Shape: "channelId: <id of the channel there is>",
		Condition: "The app owns a channel for that service already.",
		Remedy:    "Go on with the channel that Variables names.",
		Steps:     []string{"Read the id after the colon in Variables and use it. Every published client starts this way; it is no failure."},
		APIs:      []string{APIWebhooks}, Methods: []string{"Webhooks Create Notification Channel"},
		Source: "text SDKERR, status inferred", Raised: true, DueIn: DueWebhooks, Provoke: "Create the channel twice.",
	},
	{
		Fault: ReadOnlyParameter, Title: "A read-only parameter cannot be changed", Kind: KindPolicy, Blame: YourCode, Shape: "name of the parameter",
		Condition: "An update tries to change a parameter that is read-only.",
		Remedy:    "Leave the read-only members out.",
		APIs:      []string{APIWebhooks}, Methods: []string{"Webhooks Update Notification Subscription"},
		Source: "condition SEED, text and status inferred", Raised: true, DueIn: DueWebhooks,
	},
	{
		Fault: pol1002, Title: "A code without a meaning", Kind: KindPolicy, Blame: YourCode,
		Condition: "The published table gives only the code. Perhaps the read-only condition printed under POL1001 was once its own. It is in the catalogue so that nobody has to wonder, and it is never answered.",
		Remedy:    "None needed.", Source: "SEED, code only", DueIn: DueNever,
	},
	{
		Fault: NotProvisioned, Title: "The user is not set up for the service", Kind: KindPolicy, Blame: Temporary, Shape: "name of the service",
		Condition: "The user's inbox has not been provisioned yet; for WebRTC, the user id is not in the app's number pool or organisation.",
		Remedy:    "Wait seconds to minutes and try again.",
		Steps: []string{
			"Try again after ten seconds, then less often; a mailbox is set up when it is first used.",
			"For WebRTC, check that the number or account id belongs to the app.",
		},
		APIs: []string{APIInApp, APIRTC}, Methods: []string{"In-App Messaging", "POST /RTC/v1/sessions", "PUT /RTC/v1/userIds/{id}"},
		Source: "status and text RTC and OMA", Raised: true, Magic: "20", DueIn: DueInApp,
	},
	{
		Fault: SessionLimit, Title: "Too many sessions at once", Kind: KindPolicy, Blame: YourAccount, Shape: "the limit",
		Condition: "As many WebRTC sessions are open as are allowed: per app for virtual numbers, per organisation for Account IDs, fixed by the network for mobile numbers.",
		Remedy:    "End sessions that are not needed; ask the administrator for a higher limit.",
		APIs:      []string{APIRTC}, Methods: methodsSession, Source: "RTC", Raised: true, DueIn: DueRTC,
	},
	{
		Fault: TokenAlreadyBound, Title: "The token belongs to a user already", Kind: KindPolicy, Blame: YourCode,
		Condition: "The token has already been associated with a virtual number or an Account ID.",
		Remedy:    "Get a second token with App Key and App Secret, and associate that one.",
		APIs:      []string{APIRTC}, Methods: []string{"PUT /RTC/v1/userIds/{id}"}, Source: "condition SEED, text and status inferred", Raised: true, DueIn: DueRTC,
	},
	{
		Fault: SessionNotYours, Title: "The session belongs to another token", Kind: KindPolicy, Blame: YourCode,
		Condition: "The token is not the one that opened this WebRTC session, whether or not such a session exists.",
		Remedy:    "Use the token that created the session, or the current refreshed one.",
		APIs:      []string{APIRTC}, Methods: []string{"DELETE /RTC/v1/sessions/{id}", "other calls on that id"}, Source: "RTC", Raised: true, DueIn: DueRTC,
	},
	{
		Fault: SubscriptionExists, Title: "The user has a subscription already", Kind: KindPolicy, Blame: YourCode, Shape: "subscriptionId: <id of the subscription there is>",
		Condition: "The app is already subscribed to the events of this user.",
		Remedy:    "Go on with the subscription that Variables names.",
		APIs:      []string{APIWebhooks}, Methods: []string{"Create Notification Subscription"}, Source: "condition SEED, text and status inferred", Raised: true, DueIn: DueWebhooks,
	},
	{
		Fault: ContentTooLarge, Title: "The stored message is over 1 MB", Kind: KindPolicy, Blame: Permanent,
		Condition: "The message in the mailbox is larger than 1 MB, so its content cannot be fetched.",
		Remedy:    "Not recoverable; stay below 1 MB when sending.",
		APIs:      []string{APIInApp}, Methods: []string{"IMMN Get Message Content"}, Source: "condition SEED, text ONAP, status inferred", Raised: true, Magic: "22", DueIn: DueInApp,
	},
	{
		Fault: DuplicateAddresses, Title: "An address stands twice in one send", Kind: KindPolicy, Blame: YourCode,
		Condition: "One send of SMS or MMS names the same number twice, however the two are spelled. In-App Messaging drops duplicates and succeeds.",
		Remedy:    "Name every number once.",
		Steps:     []string{"Compare numbers in one form: 4255550100, 1 425-555-0100 and +14255550100 are the same number."},
		APIs:      []string{APISMS, APIMMS}, Methods: methodsSend, Source: "code QUNIT, text OMA", Raised: true, DueIn: DueSMSv3,
		Provoke: "Send to tel:4255550100,tel:+14255550100.",
	},

	// ── service ────────────────────────────────────────────────────────
	{
		Fault: SMPPTemporary, Title: "Temporary failure in the network", Kind: KindService, Blame: Temporary,
		Condition: "The message centre refused the message for the moment. It is the answer to a send only where the caller waits for the verdict (Prefer: wait); otherwise the message is tried again and its delivery status tells the outcome.",
		Remedy:    "Try again after 30 to 60 seconds.",
		Steps: []string{
			"Wait 30 to 60 seconds and send again.",
			"Without Prefer: wait the platform tries again by itself, up to 72 hours.",
		},
		APIs: []string{APISMS}, Methods: methodsSMS, Source: "SEED; SMPP v3.4 §5.1.3, ESME_RX_T_APPN", Raised: true, Magic: "10", DueIn: DueSMSv3,
		Provoke: "Send with the header Prefer: wait=5.",
	},
	{
		Fault: SMPPInvalidDestination, Title: "The number cannot get texts", Kind: KindService, Blame: Permanent,
		Condition: "The number is no subscriber or cannot receive SMS, as a landline. It is the answer to a send only where the caller waits for the verdict (Prefer: wait).",
		Remedy:    "Discard the message; do not try again.",
		Steps:     []string{"Take the number off your list; the same send will always fail."},
		APIs:      []string{APISMS}, Methods: methodsSMS, Source: "SEED; SMPP v3.4 §5.1.3, ESME_RX_R_APPN", Raised: true, Magic: "11", DueIn: DueSMSv3,
		Provoke: "Send with the header Prefer: wait=5.",
	},
	{
		Fault: SMPPNotProvisioned, Title: "The number is not provisioned", Kind: KindService, Blame: Permanent,
		Condition: "The number is not provisioned as a subscriber. It is the answer to a send only where the caller waits for the verdict (Prefer: wait).",
		Remedy:    "Never try again; stop sending to the number.",
		Steps:     []string{"Take the number off your list; the same send will always fail."},
		APIs:      []string{APISMS}, Methods: methodsSMS, Source: "SEED; SMPP v3.4 §5.1.3, ESME_RINVDSTADR", Raised: true, Magic: "12", DueIn: DueSMSv3,
		Provoke: "Send with the header Prefer: wait=5.",
	},
	{
		Fault: IndexMissing, Title: "The mailbox has no index", Kind: KindService, Blame: Temporary,
		Condition: "The index cache of the user's mailbox does not exist, or the state given to Get Messages Delta is unknown or expired.",
		Remedy:    "Call Create Message Index, wait, repeat.",
		Steps: []string{
			"POST /myMessages/v2/messages/index.",
			"Ask Get Message Index Info until the status is INITIALIZED.",
			"Read the message list again; its state is the new point to go on from.",
		},
		APIs: []string{APIInApp}, Methods: []string{"IMMN Get Messages Delta"}, Source: "SEED, status Worklight documentation, variables inferred", Raised: true, Magic: "21", DueIn: DueInApp,
	},
	{
		Fault: Dependency, Title: "A part of the network failed", Kind: KindService, Blame: Operator, Shape: "explanation of the failure",
		Condition: "Something the platform depends on failed for a reason that has no code of its own.",
		Remedy:    "Depends on the explanation; contact the operator with its text.",
		Steps: []string{
			"Read the explanation in Variables.",
			"Try once more; if it fails again, give the operator the X-Request-Id of the reply.",
		},
		APIs: everyAPI, Methods: methodsAll, Source: "SEED, status RTC", Raised: true, DueIn: DueSMSv3,
	},
	{
		Fault: MessageNotFound, Title: "No such message in the mailbox", Kind: KindService, Blame: YourCode,
		Condition: "The message, or the part of it, is unknown or has been deleted.",
		Remedy:    "Read the message list again.",
		APIs:      []string{APIInApp}, Methods: []string{"IMMN Get Message", "IMMN Get Message Content", "IMMN Update Message", "IMMN Update Messages", "IMMN Delete Message", "IMMN Delete Messages"},
		Source: "text QUNIT, status inferred", Raised: true, DueIn: DueInApp,
	},
	{
		Fault: Internal, Title: "Something of ours failed", Kind: KindService, Blame: Operator,
		Condition: "The platform failed in a way it did not foresee. The log of the operator has the reason under the id of the request.",
		Remedy:    "Try again; report the request id.",
		Steps: []string{
			"Try again after a few seconds. With an Idempotency-Key a send is never carried out twice.",
			"Report the X-Request-Id of the reply to the operator.",
		},
		APIs: everyAPI, Methods: methodsAll, Source: "inferred", Raised: true, DueIn: DueGateway,
		Provoke: "PUT /sandbox/v1/faults with the link api and the status 500.",
	},
	{
		Fault: Unavailable, Title: "Temporarily unavailable", Kind: KindService, Blame: Temporary,
		Condition: "The store refuses writes, or the platform is overloaded. Nothing was accepted.",
		Remedy:    "Try again after the time in Retry-After.",
		Steps: []string{
			"Wait as long as Retry-After says, then repeat the request unchanged.",
			"If it goes on, the operator finds the reason at /readyz on the admin listener.",
		},
		APIs: everyAPI, Methods: methodsAll, Source: "inferred", Raised: true, DueIn: DueGateway,
		Provoke: "PUT /sandbox/v1/faults with the link api and the status 503.",
	},
	{
		Fault: MissingParameter, Title: "A mandatory parameter is missing", Kind: KindService, Blame: YourCode, Shape: "name of the part: Message, Address …",
		Condition: "A mandatory parameter is not in the request. An address that is there but empty or null is SVC0004.",
		Causes: []string{
			"A misspelled member; names are read in any case of letters.",
			"A Content-Type that does not fit the body.",
		},
		Remedy: "Send the part that Variables names.",
		Steps: []string{
			"Add the member to the body, beside its neighbours inside the root member.",
			"Check that Content-Type says what the body is: JSON, XML or form.",
		},
		APIs: everyAPI, Methods: methodsAll, Source: "RTC, OMA; part names QUNIT", Raised: true, DueIn: DueSMSv3, Provoke: "Send an SMS without message.",
	},
	{
		Fault: BadParameter, Title: "A parameter has a value that cannot be used", Kind: KindService, Blame: YourCode, Shape: "name of the part",
		Condition: "The value of a parameter is malformed: of the wrong type, not a date, too long.",
		Causes:    []string{"An SMS text of more than 4096 characters.", "An object or a number where a text is expected."},
		Remedy:    "Correct the part that Variables names.",
		APIs:      everyAPI, Methods: methodsAll, Source: "RTC, OMA", Raised: true, DueIn: DueSMSv3, Provoke: "Send an SMS whose message has 4097 characters.",
	},
	{
		Fault: UnknownID, Title: "No such message or short code", Kind: KindService, Blame: YourCode, Shape: "RequestIdentifier or RegistrationID",
		Condition: "The message id or short code is unknown, belongs to another app, or is too old. A delivery status can be read until 24 hours after it became final.",
		Remedy:    "Use an id from the reply to your own send, or your own short code.",
		Steps: []string{
			"RequestIdentifier: take messageId from the reply to the send, with the same App Key.",
			"RegistrationID: use a short code of the app; longlines app show <name> lists them.",
		},
		APIs: []string{APISMS, APIMMS}, Methods: []string{"status and poll methods"}, Source: "QUNIT, RegistrationID inferred", Raised: true, DueIn: DueSMSv3,
		Provoke: "Ask for the status of SMS0.",
	},
	{
		Fault: UnknownResource, Title: "No such channel, subscription or address", Kind: KindService, Blame: YourCode, Shape: "channelId, subscriptionId or addressIdentifier",
		Condition: "The channel, subscription or E911 id is unknown or belongs to another app.",
		Remedy:    "Use the id from the reply that created it.",
		APIs:      []string{APIWebhooks, APIE911}, Methods: []string{"Webhooks", "E911"}, Source: "inferred", Raised: true, DueIn: DueWebhooks,
	},
	{
		Fault: NotAllowedValue, Title: "A value that is not on the list", Kind: KindService, Blame: YourCode, Shape: "name of the part, then the allowed values: events,TEXT,MMS",
		Condition: "A parameter has a value that is not among those allowed.",
		Remedy:    "Use one of the values that follow the name in Variables.",
		APIs:      []string{APIInApp, APIWebhooks, APIRTC, APIMMS}, Methods: methodsListed, Source: "status and text RTC and OMA, variables inferred", Raised: true, DueIn: DueInApp,
	},
	{
		Fault: NoValidAddress, Title: "An address is not valid for this method", Kind: KindService, Blame: YourCode,
		Condition: "At least one address is no valid address for the method; the whole request is refused. SMS takes telephone numbers only: an e-mail address, a short code, an over-long, empty or null address is not valid.",
		Causes: []string{
			"A number with too few or too many digits, or an area code that does not exist.",
			"A short code or an e-mail address among the recipients of an SMS.",
			"A null or an empty string in the list.",
		},
		Remedy: "Correct the address.",
		Steps: []string{
			"Write numbers as tel:+14255550100; ten digits, 1 and ten digits, dashes and blanks are read as well.",
			"Check every address of the list: one bad one refuses them all.",
		},
		APIs: messaging, Methods: []string{"IMMN Send Message", "SMS v2 Send SMS", "SMS v3 Send SMS"}, Source: "text and cases QUNIT, status OMA servers", Raised: true, DueIn: DueSMSv3,
		Provoke: "Send to short:12345.",
	},
	{
		Fault: NotGeocoded, Title: "The address cannot be located", Kind: KindService, Blame: YourCode, Shape: "the failing part: street, number, city, zip or routing",
		Condition: "The address cannot be geocoded to a PSAP.",
		Remedy:    "Correct the part that Variables names, and try again.",
		APIs:      []string{APIE911}, Methods: methodsE911, Source: "RTC, the reason inferred", Raised: true, Magic: "1 Nogeocode Way", DueIn: DueE911,
	},
	{
		Fault: ConfirmationRequired, Title: "The address must be confirmed", Kind: KindService, Blame: YourCode,
		Condition: "Calls from the address can be routed, but it matches no entry of the master street address guide.",
		Remedy:    "Ask the user; then send again with isAddressConfirmed=true.",
		Steps: []string{
			"Show the address to the user and let it be checked.",
			"Send it again with isAddressConfirmed=true. The reply has a location id; the status pending says that the guide is being updated.",
		},
		APIs: []string{APIE911}, Methods: methodsE911, Source: "RTC", Raised: true, Magic: "1 Nomsag Way", DueIn: DueE911,
	},
	{
		Fault: ProviderUnavailable, Title: "The location provider does not answer", Kind: KindService, Blame: Temporary,
		Condition: "The NENA provider cannot be reached or did not answer in time.",
		Remedy:    "Try later.",
		APIs:      []string{APIE911}, Methods: methodsE911, Source: "RTC; the seed prints other rows here", Raised: true, Magic: "1 Provider Down Way", DueIn: DueE911,
	},
	{
		Fault: ProviderError, Title: "The location provider failed", Kind: KindService, Blame: Operator,
		Condition: "The NENA provider was reached and answered with an error.",
		Remedy:    "Check the input and try again; then contact the operator.",
		APIs:      []string{APIE911}, Methods: methodsE911, Source: "RTC", Raised: true, Magic: "1 Provider Error Way", DueIn: DueE911,
	},
	{
		Fault: svc0019, Title: "A code without a meaning", Kind: KindService, Blame: YourCode,
		Condition: unknownMeaning + " Its number stands next to the E911 block, so it was most probably one more E911 condition.",
		Remedy:    "None needed.", APIs: []string{APIE911}, Source: "SEED, repetition", DueIn: DueNever,
	},
	{
		Fault: svc0020, Title: "A code without a meaning", Kind: KindService, Blame: YourCode,
		Condition: unknownMeaning + " Its number stands next to the E911 block, so it was most probably one more E911 condition.",
		Remedy:    "None needed.", APIs: []string{APIE911}, Source: "SEED, repetition", DueIn: DueNever,
	},
	{
		Fault: messageTooLong, Title: "Message too long", Kind: KindService, Blame: YourCode, Shape: "the greatest length",
		Condition: "The standard has a code of its own for a message that is too long. This platform answers SVC0002 with Message in its place.",
		Remedy:    "See SVC0002.", APIs: []string{APISMS}, Source: "OMA", DueIn: DueNever,
	},
	{
		Fault: ReceiptNotPossible, Title: "No place to send the receipt to", Kind: KindService, Blame: YourAccount,
		Condition: "The send asks for delivery notifications (notifyDeliveryStatus is true), and the app has no status listener.",
		Remedy:    "Register a status listener, or leave notifyDeliveryStatus out.",
		Steps: []string{
			"Give the app a status listener: longlines app create … --status-listener URL.",
			"Or send with notifyDeliveryStatus=false and ask for the delivery status.",
		},
		APIs: []string{APISMS, APIMMS}, Methods: methodsSend, Source: "code QUNIT/Mobo, text OMA", Raised: true, DueIn: DueSMSv3,
		Provoke: "Send with notifyDeliveryStatus=true from an app without a status listener.",
	},
	{
		Fault: noResources, Title: "No server resources", Kind: KindService, Blame: Temporary,
		Condition: "The standard has a code of its own for a server without resources. This platform answers SVC0001 with 503 in its place.",
		Remedy:    "See SVC0001.", Source: "OMA, ONAP", DueIn: DueNever,
	},
	{
		Fault: svc1002, Title: "A code without a meaning", Kind: KindService, Blame: YourCode,
		Condition: unknownMeaning + " Neither the standard nor any SDK knows it.",
		Remedy:    "None needed.", Source: "SEED, repetition", DueIn: DueNever,
	},
	{
		Fault: CallInProgress, Title: "The call is being changed already", Kind: KindService, Blame: Temporary, Shape: "id of the call",
		Condition: "A change of media is already running on the call.",
		Remedy:    "Wait until it is finished before the next one.",
		APIs:      []string{APIRTC}, Methods: []string{"PUT /RTC/v1/sessions/{sid}/calls/{cid}"}, Source: "RTC", Raised: true, DueIn: DueRTC,
	},
	{
		Fault: ConferenceBusy, Title: "The conference is being changed already", Kind: KindService, Blame: Temporary,
		Condition: "A participant is already being added to or removed from the conference.",
		Remedy:    "Change one participant at a time.",
		APIs:      []string{APIRTC}, Methods: []string{"/RTC/v1/sessions/{sid}/conferences/{cid}/participants/{uri}"}, Source: "SDK release notes", Raised: true, DueIn: DueRTC,
	},
	{
		Fault: E911NotSupported, Title: "An E911 id for a user without a number", Kind: KindService, Blame: YourCode,
		Condition: "A session for an Account ID was asked for with an E911 id. Only users with a telephone number have one.",
		Remedy:    "Leave x-e911Id out.",
		APIs:      []string{APIRTC}, Methods: methodsSession, Source: "RTC", Raised: true, DueIn: DueRTC,
	},
	{
		Fault: E911Mandatory, Title: "An E911 id is needed", Kind: KindService, Blame: YourCode, Shape: "ICMN or VTN",
		Condition: "A session for a mobile or virtual number was asked for without a valid x-e911Id: it is missing, unknown, expired or of another app.",
		Remedy:    "Register the address first.",
		Steps: []string{
			"POST /emergencyServices/v1/e911Locations with the user's address.",
			"Send the addressIdentifier of the reply as x-e911Id.",
		},
		APIs: []string{APIRTC}, Methods: methodsSession, Source: "RTC", Raised: true, DueIn: DueRTC,
	},
	{
		Fault: TokenNotBound, Title: "The token belongs to no user yet", Kind: KindService, Blame: YourCode,
		Condition: "The token has not been associated with a virtual number or an Account ID.",
		Remedy:    "Associate it first: PUT /RTC/v1/userIds/{id}.",
		APIs:      []string{APIRTC}, Methods: methodsSession, Source: "RTC", Raised: true, DueIn: DueRTC,
	},
	{
		Fault: TokenInUse, Title: "The token has a session already", Kind: KindService, Blame: YourCode,
		Condition: "A live WebRTC session exists for this token.",
		Remedy:    "End that session, or refresh the token.",
		APIs:      []string{APIRTC}, Methods: methodsSession, Source: "RTC", Raised: true, DueIn: DueRTC,
	},
	{
		Fault: svc8514, Title: "A code without a meaning", Kind: KindService, Blame: YourCode,
		Condition: unknownMeaning + " Its number stands next to the WebRTC token block, so it was most probably one more condition of tokens or registration.",
		Remedy:    "None needed.", APIs: []string{APIRTC}, Source: "SEED, repetition", DueIn: DueNever,
	},

	// ── HTTP and gateway ───────────────────────────────────────────────
	{
		Fault: NotFound, Title: "No such path", Kind: KindHTTP, Blame: YourCode,
		Condition: "The path is unknown; or a WebRTC session that has ended is asked for by its own token.",
		Causes:    []string{"A misspelled path, or a base URL that ends in a path of its own.", "An API that this installation does not serve."},
		Remedy:    "Check the path against the API reference.",
		APIs:      everyAPI, Methods: methodsAll, Source: "inferred", Raised: true, DueIn: DueGateway, Provoke: "GET /sms/v3/nothing.",
	},
	{
		Fault: MethodNotAllowed, Title: "The path does not take this method", Kind: KindHTTP, Blame: YourCode,
		Condition: "The path exists, but not with this HTTP method.",
		Remedy:    "Use a method that the header Allow lists.",
		APIs:      everyAPI, Methods: methodsAll, Source: "inferred", Raised: true, DueIn: DueGateway, Provoke: "DELETE /sms/v3/messaging/outbox.",
	},
	{
		Fault: HeadTooLarge, Title: "The head of the request is too large", Kind: KindHTTP, Blame: YourCode,
		Condition: "The request line and headers are larger than 16 KiB, or more than 100. The connection is closed afterwards, and where the head could not even be read the answer has no body.",
		Remedy:    "Send fewer or shorter headers.",
		APIs:      everyAPI, Methods: methodsAll, Source: "inferred", Raised: true, DueIn: DueGateway,
	},
	{
		Fault: BodyTooLarge, Title: "The body is too large", Kind: KindHTTP, Blame: YourCode,
		Condition: "The body is larger than the path takes: 64 KiB, on OAuth paths 16 KiB, with attachments 2 MiB.",
		Remedy:    "Send a smaller body.",
		APIs:      everyAPI, Methods: methodsAll, Source: "inferred", Raised: true, DueIn: DueGateway,
	},
	{
		Fault: MediaType, Title: "The media type is not served", Kind: KindHTTP, Blame: YourCode,
		Condition: "Content-Type names a type that the path does not read.",
		Remedy:    "Send application/json, application/xml or application/x-www-form-urlencoded; on OAuth paths a form.",
		APIs:      everyAPI, Methods: methodsAll, Source: "inferred; the OAuth one by a commit of the sample apps", Raised: true, DueIn: DueGateway, Provoke: "Send Content-Type: text/plain.",
	},
	{
		Fault: ContentCoding, Title: "Compressed bodies are not read", Kind: KindHTTP, Blame: YourCode,
		Condition: "Content-Encoding names a coding, and compressed request bodies are not enabled.",
		Remedy:    "Send the body as it is.",
		APIs:      everyAPI, Methods: methodsAll, Source: "inferred", Raised: true, DueIn: DueGateway, Provoke: "Send Content-Encoding: gzip.",
	},
	{
		Fault: NotAcceptable, Title: "Accept names nothing that is served", Kind: KindHTTP, Blame: YourCode,
		Condition: "Accept allows neither JSON nor XML. Only the six In-App methods that list SVC0003 answer so; everywhere else JSON is sent.",
		Remedy:    "Accept application/json or application/xml.",
		APIs:      []string{APIInApp}, Methods: methodsListed, Source: "inferred", Raised: true, DueIn: DueInApp,
	},
	{
		Fault: Unparsable, Title: "The body cannot be read", Kind: KindHTTP, Blame: YourCode, Shape: "the part where reading stopped, else Message",
		Condition: "The body is no document of its media type, or it breaks a limit: a member named twice, data after the document, more than 32 levels or 1,000 members, a document type declaration.",
		Causes:    []string{"Text put into JSON without escaping its quotes and line ends.", "A JSON body sent as a form, or the other way round."},
		Remedy:    "Send one well-formed document.",
		Steps: []string{
			"Build the body with a JSON or XML library, not by joining strings.",
			"Look near the part that Variables names.",
		},
		APIs: everyAPI, Methods: methodsAll, Source: "inferred", Raised: true, DueIn: DueGateway, Provoke: `Send the body {"address": as JSON.`,
	},
	{
		Fault: IdempotencyMalformed, Title: "The Idempotency-Key is malformed", Kind: KindHTTP, Blame: YourCode,
		Condition: "The header Idempotency-Key is empty, too long, or has characters that are not printable ASCII.",
		Remedy:    "Send a UUID or another random text.",
		APIs:      everyAPI, Methods: methodsAll, Source: "inferred; draft-ietf-httpapi-idempotency-key-header", Raised: true, DueIn: DueGateway,
	},
	{
		Fault: IdempotencyMismatch, Title: "The Idempotency-Key belongs to another request", Kind: KindHTTP, Blame: YourCode,
		Condition: "The same key was used before with another body.",
		Remedy:    "Use a new key for a new request, and the same body with the same key.",
		APIs:      everyAPI, Methods: methodsAll, Source: "inferred; draft-ietf-httpapi-idempotency-key-header", Raised: true, DueIn: DueGateway, Provoke: "Send twice with one key and two bodies.",
	},
	{
		Fault: IdempotencyInFlight, Title: "The first request is still running", Kind: KindHTTP, Blame: Temporary,
		Condition: "A request with the same key has not been answered yet.",
		Remedy:    "Wait a moment and repeat; the answer will be that of the first request.",
		APIs:      everyAPI, Methods: methodsAll, Source: "inferred; draft-ietf-httpapi-idempotency-key-header", Raised: true, DueIn: DueGateway,
	},
	{
		Fault: BadGateway, Title: "No answer in time", Kind: KindHTTP, Blame: Temporary,
		Condition: "Nothing answered within the deadline of the gateway. What was asked for may have happened.",
		Remedy:    "Wait minutes, then try again.",
		Steps: []string{
			"Wait a minute or more and repeat the call. With the Idempotency-Key of the first call a send is not carried out twice.",
			"Without a key, ask for the status first.",
		},
		APIs: everyAPI, Methods: append(append(append([]string{}, methodsInApp...), methodsOAuth...), methodsSMS...),
		Seed: []string{"bodybadgateway"}, Source: "SEED, form inferred", Raised: true, DueIn: DueGateway,
		Provoke: "PUT /sandbox/v1/faults with the link api and the status 502.",
	},

	// ── OAuth ──────────────────────────────────────────────────────────
	{
		Fault: ClientUnknown, Title: "Unknown App Key", Kind: KindOAuth, Blame: YourAccount,
		Condition: "No app has this App Key.",
		Causes:    []string{"A key of another installation, or of the other service level: promoting an app gives it a new key.", "A key cut or padded when copied."},
		Remedy:    "Use the App Key as the account shows it.",
		Steps:     []string{"longlines app list shows the keys there are.", "Check the base URL: a sandbox and a production site have different apps."},
		APIs:      []string{APIOAuth}, Methods: methodsClient, Source: "RFC 6749 §5.2, description ours", Raised: true, DueIn: DueOAuthToken, Provoke: "client_id=nobody.",
	},
	{
		Fault: ClientDeleted, Title: "Deleted App Key", Kind: KindOAuth, Blame: YourAccount,
		Condition: "The app with this App Key has been deleted.",
		Remedy:    "Stop using the key.",
		APIs:      []string{APIOAuth}, Methods: methodsClient, Seed: []string{"bodyclient a"}, Source: "SEED, RFC 6749 §5.2", Raised: true, DueIn: DueOAuthToken,
		Provoke: "longlines app delete, then ask for a token.",
	},
	{
		Fault: ClientNotEnabled, Title: "The app has none of these scopes", Kind: KindOAuth, Blame: YourAccount,
		Condition: "None of the scopes asked for is on the account of the app.",
		Remedy:    "Use a key that is enabled for the API, or have the scope added.",
		Steps:     []string{"longlines app show <name> lists the scopes of the app.", "Ask the operator to add the scope."},
		APIs:      []string{APIOAuth}, Methods: methodsClient, Seed: []string{"bodyclient b"}, Source: "SEED; RFC 6749 would say unauthorized_client", Raised: true, DueIn: DueOAuthToken,
	},
	{
		Fault: ClientSecretWrong, Title: "Wrong App Secret", Kind: KindOAuth, Blame: YourAccount,
		Condition: "The App Secret does not belong to the App Key, or is missing.",
		Causes:    []string{"The secret was rotated.", "Key and secret of two different apps.", "A secret that is not URL-encoded in the form."},
		Remedy:    "Use the right secret.",
		Steps:     []string{"longlines app rotate gives a new secret; the old one is shown to nobody again."},
		APIs:      []string{APIOAuth}, Methods: methodsClient, Seed: []string{"bodyclient c"}, Source: "SEED, RFC 6749 §5.2", Raised: true, DueIn: DueOAuthToken, Provoke: "client_secret=wrong.",
	},
	{
		Fault: CodeMissing, Title: "code is missing", Kind: KindOAuth, Blame: YourCode,
		Condition: "grant_type is authorization_code and the member code is missing.",
		Remedy:    "Add the code from the redirect.",
		APIs:      []string{APIOAuth}, Methods: methodsToken, Seed: []string{"bodycodemissing"}, Source: "SEED, RFC 6749 §5.2", Raised: true, DueIn: DueOAuthToken,
	},
	{
		Fault: GrantTypeMissing, Title: "grant_type is missing", Kind: KindOAuth, Blame: YourCode,
		Condition: "The member grant_type is missing.",
		Remedy:    "Add it: authorization_code, client_credentials or refresh_token.",
		APIs:      []string{APIOAuth}, Methods: methodsToken, Seed: []string{"bodygrant a", "bodyunsupportedgrant b"}, Source: "SEED; RFC 6749 §5.2", Raised: true, DueIn: DueOAuthToken,
	},
	{
		Fault: GrantTypeUnsupported, Title: "grant_type is not one of the three", Kind: KindOAuth, Blame: YourCode,
		Condition: "The value of grant_type is not one that the platform knows.",
		Remedy:    "Use authorization_code, client_credentials or refresh_token.",
		APIs:      []string{APIOAuth}, Methods: methodsToken, Seed: []string{"bodygrant b", "bodyunsupportedgrant a"}, Source: "SEED; RFC 6749 §5.2", Raised: true, DueIn: DueOAuthToken, Provoke: "grant_type=password.",
	},
	{
		Fault: InvalidGrant, Title: "The code or refresh token is not valid", Kind: KindOAuth, Blame: YourCode,
		Condition: "The code or the refresh token is wrong, expired, used before, or was given to another app.",
		Causes:    []string{"A code redeemed twice, or later than its minute of life.", "A refresh token that was revoked, or replaced by a newer one."},
		Remedy:    "Authorize again.",
		Steps:     []string{"Send the user to /oauth/v4/authorize again; for client_credentials ask for a new token.", "Redeem a code at once, and only once."},
		APIs:      []string{APIOAuth}, Methods: methodsToken, Source: "RFC 6749 §5.2", Raised: true, DueIn: DueOAuthToken, Provoke: "grant_type=refresh_token&refresh_token=nonsense.",
	},
	{
		Fault: ClientIDMissing, Title: "client_id is missing", Kind: KindOAuth, Blame: YourCode,
		Condition: "The member client_id is missing, and no HTTP Basic credentials are given.",
		Remedy:    "Add client_id, the App Key.",
		APIs:      []string{APIOAuth}, Methods: []string{"Get Access Token", "Get User Authorization"}, Seed: []string{"bodymissingclientid"}, Source: "SEED, RFC 6749 §5.2", Raised: true, DueIn: DueOAuthToken,
	},
	{
		Fault: TokenMissing, Title: "token is missing", Kind: KindOAuth, Blame: YourCode,
		Condition: "Revoke Token was called without the member token.",
		Remedy:    "Add the token to be revoked.",
		APIs:      []string{APIOAuth}, Methods: methodsRevoke, Seed: []string{"bodynotoken"}, Source: "SEED, RFC 7009 §2.2.1", Raised: true, DueIn: DueOAuthRevoke,
	},
	{
		Fault: RefreshTokenMissing, Title: "refresh_token is missing", Kind: KindOAuth, Blame: YourCode,
		Condition: "grant_type is refresh_token and the member refresh_token is missing.",
		Remedy:    "Add the refresh token of the last token reply.",
		APIs:      []string{APIOAuth}, Methods: methodsToken, Seed: []string{"bodyrefreshtokenmissing"}, Source: "SEED, RFC 6749 §5.2", Raised: true, DueIn: DueOAuthToken,
	},
	{
		Fault: RedirectScheme, Title: "redirect_uri is not http or https", Kind: KindOAuth, Blame: YourCode,
		Condition: "The scheme of redirect_uri is neither http nor https.",
		Remedy:    "Use an http or https address.",
		APIs:      []string{APIOAuth}, Methods: methodsAuth, Seed: []string{"bodyrequest a"}, Source: "SEED", Raised: true, DueIn: DueOAuthAuthorize,
	},
	{
		Fault: RedirectMismatch, Title: "redirect_uri is not the app's", Kind: KindOAuth, Blame: YourAccount,
		Condition: "redirect_uri does not begin with the base that the app has registered.",
		Remedy:    "Use the registered base, or leave redirect_uri out.",
		APIs:      []string{APIOAuth}, Methods: methodsAuth, Seed: []string{"bodyrequest b"}, Source: "SEED", Raised: true, DueIn: DueOAuthAuthorize,
	},
	{
		Fault: OAuthRequest, Title: "The request was refused before it was read", Kind: KindOAuth, Blame: YourCode,
		Condition: "The HTTP request itself was refused: the path, the method, the media type, the size, or the quota. The status says which: 404, 405, 415, 413, 403.",
		Remedy:    "Send a POST with the media type application/x-www-form-urlencoded.",
		Steps: []string{
			"415: set Content-Type to application/x-www-form-urlencoded and send the members in the body.",
			"405: Get Access Token and Revoke Token take POST.",
			"413: the body is limited to 16 KiB.",
			"403: the quota of the app for this minute or day is used up; see POL0001.",
		},
		APIs: []string{APIOAuth}, Methods: methodsClient, Source: "inferred, docs/reference/errors.md §3.1", Raised: true, DueIn: DueOAuthToken, Provoke: "Send the token request as application/json.",
	},
	{
		Fault: ScopeMissing, Title: "scope is missing", Kind: KindOAuth, Blame: YourCode,
		Condition: "grant_type is client_credentials and the member scope is missing.",
		Remedy:    "Add the scope, such as SMS.",
		APIs:      []string{APIOAuth}, Methods: methodsToken, Seed: []string{"bodyscope a"}, Source: "SEED, RFC 6749 §5.2", Raised: true, DueIn: DueOAuthToken,
	},
	{
		Fault: ScopeInvalid, Title: "A scope is not valid", Kind: KindOAuth, Blame: YourCode,
		Condition: "A scope is unknown, or not on the account beside others that are, or needs a person's consent and was asked for with client_credentials.",
		Remedy:    "Ask for valid scopes only.",
		Steps:     []string{"Separate scopes by commas.", "IMMN, MIM and WEBRTCMOBILE need the user: ask for them at /oauth/v4/authorize."},
		APIs:      []string{APIOAuth}, Methods: methodsToken, Seed: []string{"bodyscope b"}, Source: "SEED, RFC 6749 §5.2", Raised: true, DueIn: DueOAuthToken, Provoke: "scope=NOTHING.",
	},
	{
		Fault: TokenTypeUnsupported, Title: "That kind of token cannot be revoked", Kind: KindOAuth, Blame: YourCode,
		Condition: "token_type_hint names a kind of token that cannot be revoked.",
		Remedy:    "Use access_token or refresh_token.",
		APIs:      []string{APIOAuth}, Methods: methodsRevoke, Seed: []string{"bodytokentypeunsupported"}, Source: "SEED, RFC 7009 §2.2.1", Raised: true, DueIn: DueOAuthRevoke, Provoke: "token_type_hint=id_token.",
	},
	{
		Fault: NotOnNetwork, Title: "Not from a device on the network", Kind: KindOAuth, Blame: YourCode,
		Condition: "The request must come from a mobile device on the carrier's network and did not. The error goes into the redirect.",
		Remedy:    "Use a device on the network, or allow signing in off the network.",
		APIs:      []string{APIOAuth}, Methods: methodsAuth, Seed: []string{"uriredirectaccessdenied"}, Source: "SEED, RFC 6749 §4.1.2.1", Raised: true, DueIn: DueOAuthAuthorize,
	},
	{
		Fault: AccessDenied, Title: "The user refused", Kind: KindOAuth, Blame: Permanent,
		Condition: "The user refused on the consent page. The error goes into the redirect.",
		Remedy:    "Respect it; offer to try again.",
		APIs:      []string{APIOAuth}, Methods: methodsAuth, Source: "RFC 6749 §4.1.2.1", Raised: true, DueIn: DueOAuthAuthorize,
	},
	{
		Fault: RedirectScopeInvalid, Title: "The scope does not fit", Kind: KindOAuth, Blame: YourCode,
		Condition: "At authorize, the scope is missing or not right for the API. The error goes into the redirect.",
		Remedy:    "Ask for the right scope.",
		APIs:      []string{APIOAuth}, Methods: methodsAuth, Seed: []string{"uriscope"}, Source: "SEED, RFC 6749 §4.1.2.1", Raised: true, DueIn: DueOAuthAuthorize,
	},
	{
		Fault: RedirectRequest, Title: "The authorization request is not valid", Kind: KindOAuth, Blame: YourCode,
		Condition: "At authorize, a parameter is there twice, too long, or not of its form; or an app without a secret sent no code_challenge. The error goes into the redirect.",
		Causes:    []string{"code_challenge_method is plain; only S256 is taken.", "state is longer than 2,048 characters.", "A parameter is repeated."},
		Remedy:    "error_description names the parameter; correct it.",
		APIs:      []string{APIOAuth}, Methods: methodsAuth, Source: "RFC 6749 §4.1.2.1, RFC 7636 §4.4.1", Raised: true, DueIn: DueOAuthAuthorize, Provoke: "code_challenge_method=plain.",
	},
	{
		Fault: ResponseType, Title: "response_type is not code", Kind: KindOAuth, Blame: YourCode,
		Condition: "At authorize, response_type is there and is not code. The error goes into the redirect.",
		Remedy:    "Use code, or leave it out.",
		APIs:      []string{APIOAuth}, Methods: methodsAuth, Source: "RFC 6749 §4.1.2.1", Raised: true, DueIn: DueOAuthAuthorize, Provoke: "response_type=token.",
	},
	{
		Fault: ClientUnauthorized, Title: "The app may not use this grant", Kind: KindOAuth, Blame: YourCode,
		Condition: "An app without a secret asked for a token by client_credentials, or asked about a token, which only an app that proves itself may.",
		Remedy:    "Use authorization_code with PKCE, or register the app with a secret or a key.",
		APIs:      []string{APIOAuth}, Methods: methodsClient, Source: "RFC 6749 §5.2", Raised: true, DueIn: DueOAuthAuthorize,
	},
	{
		Fault: RequestURIInvalid, Title: "request_uri is not valid", Kind: KindOAuth, Blame: YourCode,
		Condition: "request_uri is unknown, expired, or was pushed by another app.",
		Remedy:    "Push the request again and use the address at once; it lives a minute and a half.",
		APIs:      []string{APIOAuth}, Methods: methodsAuth, Source: "RFC 9126 §2.2, RFC 9101 §7", Raised: true, DueIn: DueOAuthAuthorize,
	},
	{
		Fault: ProofInvalid, Title: "The DPoP proof is not valid", Kind: KindOAuth, Blame: YourCode,
		Condition: "The header DPoP is there twice, is no proof for this method and address, is too old, was used before, or is missing although the app uses bound tokens only.",
		Remedy:    "Make a fresh proof for each request (RFC 9449 §4.2), with the clock right to a minute.",
		APIs:      []string{APIOAuth}, Methods: methodsToken, Source: "RFC 9449 §5", Raised: true, DueIn: DueOAuthAuthorize,
	},
	{
		Fault: OAuthNoAnswer, Title: "No answer in time", Kind: KindOAuth, Blame: Temporary,
		Condition: "Nothing answered within the deadline of the gateway.",
		Remedy:    "Wait minutes, then try again.",
		APIs:      []string{APIOAuth}, Methods: methodsOAuth, Seed: []string{"bodybadgateway"}, Source: "SEED, form inferred", Raised: true, DueIn: DueOAuthToken,
		Provoke: "PUT /sandbox/v1/faults with the link api and the status 502.",
	},
	{
		Fault: OAuthInternal, Title: "Something of ours failed", Kind: KindOAuth, Blame: Operator,
		Condition: "The platform failed in a way it did not foresee.",
		Remedy:    "Try again; report the request id.",
		APIs:      []string{APIOAuth}, Methods: methodsClient, Source: "inferred, docs/reference/errors.md §3.1", Raised: true, DueIn: DueOAuthToken,
		Provoke: "PUT /sandbox/v1/faults with the link api and the status 500.",
	},
	{
		Fault: OAuthUnavailable, Title: "Temporarily unavailable", Kind: KindOAuth, Blame: Temporary,
		Condition: "The store refuses writes, or the platform is overloaded. No token was issued or revoked.",
		Remedy:    "Try again after the time in Retry-After.",
		APIs:      []string{APIOAuth}, Methods: methodsClient, Source: "inferred, docs/reference/errors.md §3.1", Raised: true, DueIn: DueOAuthToken,
		Provoke: "PUT /sandbox/v1/faults with the link api and the status 503.",
	},
}
