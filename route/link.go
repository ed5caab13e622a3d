// Package route decides which link carries a text out and which app owns a text that came in, and
// joins the core to the connectors: it is sms.Network on one side and message.Receiver on the other.
package route

import (
	"context"
	"time"
)

// Network says whom a link reaches.
type Network string

const (
	// NetworkLive reaches real subscribers.
	NetworkLive Network = "live"
	// NetworkVirtual reaches the virtual phones; apps of the sandbox level use only such links.
	NetworkVirtual Network = "virtual"
)

// Link is one connection to a message centre as an operator configured it.
type Link struct {
	ID       int64   `json:"id"`
	Name     string  `json:"name"` // unique; the lane of its jobs
	Kind     string  `json:"kind"` // "smpp"
	Network  Network `json:"network"`
	Host     string  `json:"host"`
	Port     int     `json:"port"`
	SystemID string  `json:"system_id"`
	// Password is the SMPP password in clear, in memory only: the store seals it and no API returns it.
	Password   string    `json:"-"`
	SystemType string    `json:"system_type,omitempty"`
	Bind       string    `json:"bind"`   // "transceiver", "transmitter", "receiver", "pair"
	Window     int       `json:"window"` // submits in flight, 1 to 10,000; default 10
	Rate       float64   `json:"rate"`   // submits a second; 0: no limit
	TLS        bool      `json:"tls"`
	Group      string    `json:"group"`  // SMSC group for receipts; default the name
	Quirks     Quirks    `json:"quirks"` // what is odd about this centre; kept by the store as one JSON document
	Paused     bool      `json:"paused"`
	Managed    bool      `json:"managed"` // set at start by the configuration; read-only in the API
	Created    time.Time `json:"created"`
	Version    int64     `json:"-"` // counts its changes; see [Store]
}

// Quirks are what is odd about one message centre. The zero value suits a centre that keeps to
// SMPP v3.4; south/smsc/quirks.go gives each its effect.
type Quirks struct {
	// IDs tells how the centre spells its ids where the receipts differ from submit_sm_resp: "hex-dec"
	// (hexadecimal in the answer, decimal in the receipt) or "dec-hex". Empty: as they come; the
	// matching learns the rest (docs/reference/reliability.md §3.5-4).
	IDs string `json:"ids,omitempty"`
	// TextReceipts takes a deliver_sm whose text reads "id:… stat:…" as a receipt although neither
	// esm_class nor a TLV marks it as one.
	TextReceipts bool `json:"text_receipts,omitempty"`
	// Statuses maps a command_status to a class of docs/reference/reliability.md §3.4, against the
	// table: "0x0400": "TMP". Classes: PRM TMP TMPS THR BND BUG.
	Statuses map[string]string `json:"statuses,omitempty"`
	// Alphabet is the centre's default alphabet, data_coding 0: "gsm" (also empty) or "latin1".
	Alphabet string `json:"alphabet,omitempty"`
	// Refs8 writes the reference of a long text's segments with 8 bits instead of 16.
	Refs8 bool `json:"refs8,omitempty"`
	// Payload sends a long text whole in a message_payload TLV; the centre splits it.
	Payload bool `json:"payload,omitempty"`
	// NoValidity leaves validity_period empty, for centres that refuse the relative form.
	NoValidity bool `json:"no_validity,omitempty"`
	// ServiceType is the service_type of each submit, at most 5 characters.
	ServiceType string `json:"service_type,omitempty"`
	// The numbering labels of submitted addresses, where the centre wants others than number.SMPP
	// gives: TON 0 to 6, NPI 0 to 18 (SMPP v3.4 §5.2.5, §5.2.6). Nil: as given.
	SourceTON *uint8 `json:"source_ton,omitempty"`
	SourceNPI *uint8 `json:"source_npi,omitempty"`
	DestTON   *uint8 `json:"dest_ton,omitempty"`
	DestNPI   *uint8 `json:"dest_npi,omitempty"`
}

// Rule sends MSISDNs with a prefix over a link. The longest prefix wins.
type Rule struct {
	ID       int64  `json:"id"`
	Prefix   string `json:"prefix"`             // "+1425"; "+" is everything
	Link     string `json:"link"`               // its name
	Fallback string `json:"fallback,omitempty"` // taken while the link is down
}

// Store keeps links and rules; both are read whole at the start and on a change.
type Store interface {
	Links(ctx context.Context) ([]Link, error)
	// PutLink inserts a link (ID 0), or replaces it if it still is in the Version given; what is kept has the next one.
	// [ErrChanged] if it is not, or is gone, or if there is one of that name now.
	PutLink(ctx context.Context, l Link) (int64, error)
	DeleteLink(ctx context.Context, name string) error
	Rules(ctx context.Context) ([]Rule, error)
	PutRule(ctx context.Context, r Rule) (int64, error)
	DeleteRule(ctx context.Context, prefix string) error
}
