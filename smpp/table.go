package smpp

import (
	"fmt"
	"io"
	"strings"
)

// End is one end of a session, or both.
type End uint8

const (
	ESME End = 1 << iota // the party that binds
	SMSC                 // the centre

	bothEnds = ESME | SMSC
)

// String returns "ESME", "SMSC" or "both".
func (e End) String() string {
	switch e {
	case ESME:
		return "ESME"
	case SMSC:
		return "SMSC"
	case bothEnds:
		return "both"
	}
	return "none"
}

// States is a set of session states (SMPP 3.4 §2.2).
type States uint8

const (
	StateOpen States = 1 << iota // connected, not bound
	StateTX                      // bound as transmitter
	StateRX                      // bound as receiver
	StateTRX                     // bound as transceiver

	anyBound = StateTX | StateRX | StateTRX
)

// String lists the states as the standard names them.
func (s States) String() string {
	var names []string
	for i, n := range []string{"OPEN", "BOUND_TX", "BOUND_RX", "BOUND_TRX"} {
		if s&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return strings.Join(names, " ")
}

// FieldKind is the wire form of a mandatory parameter (SMPP 3.4 §3.1).
type FieldKind uint8

const (
	KindUint8        FieldKind = iota // integer of one octet
	KindCString                       // C-octet string of at most Max octets, NUL included
	KindTime                          // C-octet string, empty or exactly Max octets, NUL included
	KindCount                         // integer of one octet: the length of the parameter that follows
	KindOctets                        // octet string of as many octets as the count before it says
	KindDestinations                  // dest_address(es) of submit_multi
	KindUnsuccess                     // unsuccess_sme(s) of submit_multi_resp
)

var kindNames = [...]string{"integer", "C-octet string", "time", "count", "octets", "destinations", "failures"}

// String returns the kind in words.
func (k FieldKind) String() string { return kindNames[k] }

// Field is one mandatory parameter of a PDU.
type Field struct {
	Name   string // by the standard
	Kind   FieldKind
	Max    int    // most octets on the wire, NUL included; for lists, most members
	Status Status // what answers a value that breaks the rules

	// Where the value is kept. Exactly one is set, by Kind; none for KindCount.
	u8     func(PDU) *uint8
	str    func(PDU) *string
	octets func(PDU) *[]byte
	dests  func(PDU) *[]Destination
	failed func(PDU) *[]Unsuccess
}

// Spec is one row of the PDU table.
type Spec struct {
	ID       CommandID
	Name     string    // by the standard
	Section  string    // of SMPP 3.4
	Response CommandID // 0 if there is none, or for a response
	From     End       // who may send it
	States   States    // when
	Fields   []Field   // mandatory parameters in the order of the wire
	Optional []Tag     // what the standard lists; others are carried as well
	// NoBodyOnError: a response that is sent without its body if command_status is not zero.
	NoBodyOnError bool

	blank func() PDU
	tlvs  func(PDU) *TLVs // nil if the PDU has no optional parameters
}

// MaxShortMessage is the most octets of short_message (SMPP 3.4 §5.2.22).
const MaxShortMessage = 254

func integer(name string, s Status, at func(PDU) *uint8) Field {
	return Field{Name: name, Kind: KindUint8, Max: 1, Status: s, u8: at}
}

func cstring(name string, max int, s Status, at func(PDU) *string) Field {
	return Field{Name: name, Kind: KindCString, Max: max, Status: s, str: at}
}

func timestamp(name string, s Status, at func(PDU) *string) Field {
	return Field{Name: name, Kind: KindTime, Max: 17, Status: s, str: at}
}

func systemID(at func(PDU) *string) Field { return cstring("system_id", 16, StatusRINVSYSID, at) }
func messageID(at func(PDU) *string) Field {
	return cstring("message_id", 65, StatusRINVMSGID, at)
}
func serviceType(at func(PDU) *string) Field {
	return cstring("service_type", 6, StatusRINVSERTYP, at)
}

// address gives the three parameters of an address.
func address(name string, max int, ton, npi, addr Status, at func(PDU) *Address) []Field {
	return []Field{
		integer(name+"_ton", ton, func(p PDU) *uint8 { return &at(p).TON }),
		integer(name+"_npi", npi, func(p PDU) *uint8 { return &at(p).NPI }),
		cstring(name, max, addr, func(p PDU) *string { return &at(p).Addr }),
	}
}

func source(max int, at func(PDU) *Address) []Field {
	return address("source_addr", max, StatusRINVSRCTON, StatusRINVSRCNPI, StatusRINVSRCADR, at)
}

func destination(name string, max int, at func(PDU) *Address) []Field {
	return address(name, max, StatusRINVDSTTON, StatusRINVDSTNPI, StatusRINVDSTADR, at)
}

func shortMessage(at func(PDU) *[]byte) []Field {
	return []Field{
		{Name: "sm_length", Kind: KindCount, Max: 1, Status: StatusRINVMSGLEN},
		{Name: "short_message", Kind: KindOctets, Max: MaxShortMessage, Status: StatusRINVMSGLEN, octets: at},
	}
}

func fields(parts ...any) []Field {
	var all []Field
	for _, p := range parts {
		switch p := p.(type) {
		case Field:
			all = append(all, p)
		case []Field:
			all = append(all, p...)
		}
	}
	return all
}

func bindFields() []Field {
	return fields(
		systemID(func(p PDU) *string { return &p.(*Bind).SystemID }),
		cstring("password", 9, StatusRINVPASWD, func(p PDU) *string { return &p.(*Bind).Password }),
		cstring("system_type", 13, StatusRINVSYSTYP, func(p PDU) *string { return &p.(*Bind).SystemType }),
		integer("interface_version", StatusRBINDFAIL, func(p PDU) *uint8 { return &p.(*Bind).InterfaceVersion }),
		integer("addr_ton", StatusRBINDFAIL, func(p PDU) *uint8 { return &p.(*Bind).AddrTON }),
		integer("addr_npi", StatusRBINDFAIL, func(p PDU) *uint8 { return &p.(*Bind).AddrNPI }),
		cstring("address_range", 41, StatusRBINDFAIL, func(p PDU) *string { return &p.(*Bind).AddressRange }),
	)
}

func bindSpec(id CommandID, name, section string, kind BindKind) Spec {
	return Spec{ID: id, Name: name, Section: section, Response: id | ResponseBit, From: ESME, States: StateOpen,
		Fields: bindFields(), blank: func() PDU { return &Bind{Kind: kind} }}
}

func bindRespSpec(id CommandID, name, section string, kind BindKind) Spec {
	return Spec{ID: id, Name: name, Section: section, From: SMSC, States: StateOpen, NoBodyOnError: true,
		Fields:   fields(systemID(func(p PDU) *string { return &p.(*BindResp).SystemID })),
		Optional: []Tag{TagSCInterfaceVersion},
		blank:    func() PDU { return &BindResp{Kind: kind} },
		tlvs:     func(p PDU) *TLVs { return &p.(*BindResp).TLVs }}
}

// messageFields are those of submit_sm and deliver_sm, whose structs have the same fields.
func messageFields(at func(PDU) *SubmitSM) []Field {
	return fields(
		serviceType(func(p PDU) *string { return &at(p).ServiceType }),
		source(21, func(p PDU) *Address { return &at(p).Source }),
		destination("destination_addr", 21, func(p PDU) *Address { return &at(p).Dest }),
		integer("esm_class", StatusRINVESMCLASS, func(p PDU) *uint8 { return (*uint8)(&at(p).ESMClass) }),
		integer("protocol_id", StatusRINVMSGLEN, func(p PDU) *uint8 { return &at(p).ProtocolID }),
		integer("priority_flag", StatusRINVPRTFLG, func(p PDU) *uint8 { return &at(p).PriorityFlag }),
		timestamp("schedule_delivery_time", StatusRINVSCHED, func(p PDU) *string { return &at(p).ScheduleDeliveryTime }),
		timestamp("validity_period", StatusRINVEXPIRY, func(p PDU) *string { return &at(p).ValidityPeriod }),
		integer("registered_delivery", StatusRINVREGDLVFLG, func(p PDU) *uint8 { return (*uint8)(&at(p).RegisteredDelivery) }),
		integer("replace_if_present_flag", StatusRINVREPFLAG, func(p PDU) *uint8 { return &at(p).ReplaceIfPresentFlag }),
		integer("data_coding", StatusRINVMSGLEN, func(p PDU) *uint8 { return &at(p).DataCoding }),
		integer("sm_default_msg_id", StatusRINVDFTMSGID, func(p PDU) *uint8 { return &at(p).SMDefaultMsgID }),
		shortMessage(func(p PDU) *[]byte { return &at(p).ShortMessage }),
	)
}

// messageTags are the optional parameters of submit_sm (SMPP 3.4 §4.4.1).
var messageTags = []Tag{TagUserMessageReference, TagSourcePort, TagSourceAddrSubunit, TagDestinationPort, TagDestAddrSubunit,
	TagSARMsgRefNum, TagSARTotalSegments, TagSARSegmentSeqnum, TagMoreMessagesToSend, TagPayloadType, TagMessagePayload,
	TagPrivacyIndicator, TagCallbackNum, TagCallbackNumPresInd, TagCallbackNumAtag, TagSourceSubaddress, TagDestSubaddress,
	TagUserResponseCode, TagDisplayTime, TagSMSSignal, TagMSValidity, TagMSMsgWaitFacilities, TagNumberOfMessages,
	TagAlertOnMessageDelivery, TagLanguageIndicator, TagITSReplyType, TagITSSessionInfo, TagUSSDServiceOp}

var table = []Spec{
	{ID: CommandGenericNack, Name: "generic_nack", Section: "4.3.1", From: bothEnds, States: StateOpen | anyBound,
		blank: func() PDU { return &GenericNack{} }},

	bindSpec(CommandBindReceiver, "bind_receiver", "4.1.3", BindReceiver),
	bindRespSpec(CommandBindReceiverResp, "bind_receiver_resp", "4.1.4", BindReceiver),
	bindSpec(CommandBindTransmitter, "bind_transmitter", "4.1.1", BindTransmitter),
	bindRespSpec(CommandBindTransmitterResp, "bind_transmitter_resp", "4.1.2", BindTransmitter),

	{ID: CommandQuerySM, Name: "query_sm", Section: "4.8.1", Response: CommandQuerySMResp, From: ESME, States: StateTX | StateTRX,
		Fields: fields(
			messageID(func(p PDU) *string { return &p.(*QuerySM).MessageID }),
			source(21, func(p PDU) *Address { return &p.(*QuerySM).Source })),
		blank: func() PDU { return &QuerySM{} }},
	{ID: CommandQuerySMResp, Name: "query_sm_resp", Section: "4.8.2", From: SMSC, States: StateTX | StateTRX,
		Fields: fields(
			messageID(func(p PDU) *string { return &p.(*QuerySMResp).MessageID }),
			timestamp("final_date", StatusRQUERYFAIL, func(p PDU) *string { return &p.(*QuerySMResp).FinalDate }),
			integer("message_state", StatusRQUERYFAIL, func(p PDU) *uint8 { return (*uint8)(&p.(*QuerySMResp).MessageState) }),
			integer("error_code", StatusRQUERYFAIL, func(p PDU) *uint8 { return &p.(*QuerySMResp).ErrorCode })),
		blank: func() PDU { return &QuerySMResp{} }},

	{ID: CommandSubmitSM, Name: "submit_sm", Section: "4.4.1", Response: CommandSubmitSMResp, From: ESME, States: StateTX | StateTRX,
		Fields:   messageFields(func(p PDU) *SubmitSM { return p.(*SubmitSM) }),
		Optional: messageTags,
		blank:    func() PDU { return &SubmitSM{} },
		tlvs:     func(p PDU) *TLVs { return &p.(*SubmitSM).TLVs }},
	{ID: CommandSubmitSMResp, Name: "submit_sm_resp", Section: "4.4.2", From: SMSC, States: StateTX | StateTRX, NoBodyOnError: true,
		Fields: fields(messageID(func(p PDU) *string { return &p.(*SubmitSMResp).MessageID })),
		blank:  func() PDU { return &SubmitSMResp{} },
		tlvs:   func(p PDU) *TLVs { return &p.(*SubmitSMResp).TLVs }},

	{ID: CommandDeliverSM, Name: "deliver_sm", Section: "4.6.1", Response: CommandDeliverSMResp, From: SMSC, States: StateRX | StateTRX,
		Fields: messageFields(func(p PDU) *SubmitSM { return (*SubmitSM)(p.(*DeliverSM)) }),
		Optional: []Tag{TagUserMessageReference, TagSourcePort, TagDestinationPort, TagSARMsgRefNum, TagSARTotalSegments,
			TagSARSegmentSeqnum, TagUserResponseCode, TagPrivacyIndicator, TagPayloadType, TagMessagePayload, TagCallbackNum,
			TagSourceSubaddress, TagDestSubaddress, TagLanguageIndicator, TagITSSessionInfo, TagNetworkErrorCode,
			TagMessageState, TagReceiptedMessageID},
		blank: func() PDU { return &DeliverSM{} },
		tlvs:  func(p PDU) *TLVs { return &p.(*DeliverSM).TLVs }},
	{ID: CommandDeliverSMResp, Name: "deliver_sm_resp", Section: "4.6.2", From: ESME, States: StateRX | StateTRX,
		Fields: fields(messageID(func(p PDU) *string { return &p.(*DeliverSMResp).MessageID })),
		blank:  func() PDU { return &DeliverSMResp{} },
		tlvs:   func(p PDU) *TLVs { return &p.(*DeliverSMResp).TLVs }},

	{ID: CommandUnbind, Name: "unbind", Section: "4.2.1", Response: CommandUnbindResp, From: bothEnds, States: anyBound,
		blank: func() PDU { return &Unbind{} }},
	{ID: CommandUnbindResp, Name: "unbind_resp", Section: "4.2.2", From: bothEnds, States: anyBound,
		blank: func() PDU { return &UnbindResp{} }},

	// SMPP 3.4 §2.3 lists replace_sm for BOUND_TX only; centres take it on a transceiver as well, and so do we.
	{ID: CommandReplaceSM, Name: "replace_sm", Section: "4.10.1", Response: CommandReplaceSMResp, From: ESME, States: StateTX | StateTRX,
		Fields: fields(
			messageID(func(p PDU) *string { return &p.(*ReplaceSM).MessageID }),
			source(21, func(p PDU) *Address { return &p.(*ReplaceSM).Source }),
			timestamp("schedule_delivery_time", StatusRINVSCHED, func(p PDU) *string { return &p.(*ReplaceSM).ScheduleDeliveryTime }),
			timestamp("validity_period", StatusRINVEXPIRY, func(p PDU) *string { return &p.(*ReplaceSM).ValidityPeriod }),
			integer("registered_delivery", StatusRINVREGDLVFLG, func(p PDU) *uint8 { return (*uint8)(&p.(*ReplaceSM).RegisteredDelivery) }),
			integer("sm_default_msg_id", StatusRINVDFTMSGID, func(p PDU) *uint8 { return &p.(*ReplaceSM).SMDefaultMsgID }),
			shortMessage(func(p PDU) *[]byte { return &p.(*ReplaceSM).ShortMessage })),
		blank: func() PDU { return &ReplaceSM{} }},
	{ID: CommandReplaceSMResp, Name: "replace_sm_resp", Section: "4.10.2", From: SMSC, States: StateTX | StateTRX,
		blank: func() PDU { return &ReplaceSMResp{} }},

	{ID: CommandCancelSM, Name: "cancel_sm", Section: "4.9.1", Response: CommandCancelSMResp, From: ESME, States: StateTX | StateTRX,
		Fields: fields(
			serviceType(func(p PDU) *string { return &p.(*CancelSM).ServiceType }),
			messageID(func(p PDU) *string { return &p.(*CancelSM).MessageID }),
			source(21, func(p PDU) *Address { return &p.(*CancelSM).Source }),
			destination("destination_addr", 21, func(p PDU) *Address { return &p.(*CancelSM).Dest })),
		blank: func() PDU { return &CancelSM{} }},
	{ID: CommandCancelSMResp, Name: "cancel_sm_resp", Section: "4.9.2", From: SMSC, States: StateTX | StateTRX,
		blank: func() PDU { return &CancelSMResp{} }},

	bindSpec(CommandBindTransceiver, "bind_transceiver", "4.1.5", BindTransceiver),
	bindRespSpec(CommandBindTransceiverResp, "bind_transceiver_resp", "4.1.6", BindTransceiver),

	{ID: CommandOutbind, Name: "outbind", Section: "4.1.7.1", From: SMSC, States: StateOpen,
		Fields: fields(
			systemID(func(p PDU) *string { return &p.(*Outbind).SystemID }),
			cstring("password", 9, StatusRINVPASWD, func(p PDU) *string { return &p.(*Outbind).Password })),
		blank: func() PDU { return &Outbind{} }},

	{ID: CommandEnquireLink, Name: "enquire_link", Section: "4.11.1", Response: CommandEnquireLinkResp, From: bothEnds, States: anyBound,
		blank: func() PDU { return &EnquireLink{} }},
	{ID: CommandEnquireLinkResp, Name: "enquire_link_resp", Section: "4.11.2", From: bothEnds, States: anyBound,
		blank: func() PDU { return &EnquireLinkResp{} }},

	{ID: CommandSubmitMulti, Name: "submit_multi", Section: "4.5.1", Response: CommandSubmitMultiResp, From: ESME, States: StateTX | StateTRX,
		Fields: fields(
			serviceType(func(p PDU) *string { return &p.(*SubmitMulti).ServiceType }),
			source(21, func(p PDU) *Address { return &p.(*SubmitMulti).Source }),
			Field{Name: "number_of_dests", Kind: KindCount, Max: 1, Status: StatusRINVNUMDESTS},
			Field{Name: "dest_address(es)", Kind: KindDestinations, Max: 254, Status: StatusRINVNUMDESTS,
				dests: func(p PDU) *[]Destination { return &p.(*SubmitMulti).Dests }},
			integer("esm_class", StatusRINVESMCLASS, func(p PDU) *uint8 { return (*uint8)(&p.(*SubmitMulti).ESMClass) }),
			integer("protocol_id", StatusRINVMSGLEN, func(p PDU) *uint8 { return &p.(*SubmitMulti).ProtocolID }),
			integer("priority_flag", StatusRINVPRTFLG, func(p PDU) *uint8 { return &p.(*SubmitMulti).PriorityFlag }),
			timestamp("schedule_delivery_time", StatusRINVSCHED, func(p PDU) *string { return &p.(*SubmitMulti).ScheduleDeliveryTime }),
			timestamp("validity_period", StatusRINVEXPIRY, func(p PDU) *string { return &p.(*SubmitMulti).ValidityPeriod }),
			integer("registered_delivery", StatusRINVREGDLVFLG, func(p PDU) *uint8 { return (*uint8)(&p.(*SubmitMulti).RegisteredDelivery) }),
			integer("replace_if_present_flag", StatusRINVREPFLAG, func(p PDU) *uint8 { return &p.(*SubmitMulti).ReplaceIfPresentFlag }),
			integer("data_coding", StatusRINVMSGLEN, func(p PDU) *uint8 { return &p.(*SubmitMulti).DataCoding }),
			integer("sm_default_msg_id", StatusRINVDFTMSGID, func(p PDU) *uint8 { return &p.(*SubmitMulti).SMDefaultMsgID }),
			shortMessage(func(p PDU) *[]byte { return &p.(*SubmitMulti).ShortMessage })),
		Optional: []Tag{TagUserMessageReference, TagSourcePort, TagSourceAddrSubunit, TagDestinationPort, TagDestAddrSubunit,
			TagSARMsgRefNum, TagSARTotalSegments, TagSARSegmentSeqnum, TagPayloadType, TagMessagePayload, TagPrivacyIndicator,
			TagCallbackNum, TagCallbackNumPresInd, TagCallbackNumAtag, TagSourceSubaddress, TagDestSubaddress, TagDisplayTime,
			TagSMSSignal, TagMSValidity, TagMSMsgWaitFacilities, TagAlertOnMessageDelivery, TagLanguageIndicator},
		blank: func() PDU { return &SubmitMulti{} },
		tlvs:  func(p PDU) *TLVs { return &p.(*SubmitMulti).TLVs }},
	{ID: CommandSubmitMultiResp, Name: "submit_multi_resp", Section: "4.5.2", From: SMSC, States: StateTX | StateTRX,
		Fields: fields(
			messageID(func(p PDU) *string { return &p.(*SubmitMultiResp).MessageID }),
			Field{Name: "no_unsuccess", Kind: KindCount, Max: 1, Status: StatusRINVNUMDESTS},
			Field{Name: "unsuccess_sme(s)", Kind: KindUnsuccess, Max: 255, Status: StatusRINVNUMDESTS,
				failed: func(p PDU) *[]Unsuccess { return &p.(*SubmitMultiResp).Failed }}),
		blank: func() PDU { return &SubmitMultiResp{} },
		tlvs:  func(p PDU) *TLVs { return &p.(*SubmitMultiResp).TLVs }},

	{ID: CommandAlertNotification, Name: "alert_notification", Section: "4.12.1", From: SMSC, States: StateRX | StateTRX,
		Fields: fields(
			source(65, func(p PDU) *Address { return &p.(*AlertNotification).Source }),
			destination("esme_addr", 65, func(p PDU) *Address { return &p.(*AlertNotification).ESME })),
		Optional: []Tag{TagMSAvailabilityStatus},
		blank:    func() PDU { return &AlertNotification{} },
		tlvs:     func(p PDU) *TLVs { return &p.(*AlertNotification).TLVs }},

	{ID: CommandDataSM, Name: "data_sm", Section: "4.7.1", Response: CommandDataSMResp, From: bothEnds, States: anyBound,
		Fields: fields(
			serviceType(func(p PDU) *string { return &p.(*DataSM).ServiceType }),
			source(65, func(p PDU) *Address { return &p.(*DataSM).Source }),
			destination("destination_addr", 65, func(p PDU) *Address { return &p.(*DataSM).Dest }),
			integer("esm_class", StatusRINVESMCLASS, func(p PDU) *uint8 { return (*uint8)(&p.(*DataSM).ESMClass) }),
			integer("registered_delivery", StatusRINVREGDLVFLG, func(p PDU) *uint8 { return (*uint8)(&p.(*DataSM).RegisteredDelivery) }),
			integer("data_coding", StatusRINVMSGLEN, func(p PDU) *uint8 { return &p.(*DataSM).DataCoding })),
		Optional: []Tag{TagSourcePort, TagSourceAddrSubunit, TagSourceNetworkType, TagSourceBearerType, TagSourceTelematicsID,
			TagDestinationPort, TagDestAddrSubunit, TagDestNetworkType, TagDestBearerType, TagDestTelematicsID, TagSARMsgRefNum,
			TagSARTotalSegments, TagSARSegmentSeqnum, TagMoreMessagesToSend, TagQOSTimeToLive, TagPayloadType, TagMessagePayload,
			TagSetDPF, TagReceiptedMessageID, TagMessageState, TagNetworkErrorCode, TagUserMessageReference, TagPrivacyIndicator,
			TagCallbackNum, TagCallbackNumPresInd, TagCallbackNumAtag, TagSourceSubaddress, TagDestSubaddress, TagUserResponseCode,
			TagDisplayTime, TagSMSSignal, TagMSValidity, TagMSMsgWaitFacilities, TagNumberOfMessages, TagAlertOnMessageDelivery,
			TagLanguageIndicator, TagITSReplyType, TagITSSessionInfo},
		blank: func() PDU { return &DataSM{} },
		tlvs:  func(p PDU) *TLVs { return &p.(*DataSM).TLVs }},
	{ID: CommandDataSMResp, Name: "data_sm_resp", Section: "4.7.2", From: bothEnds, States: anyBound,
		Fields:   fields(messageID(func(p PDU) *string { return &p.(*DataSMResp).MessageID })),
		Optional: []Tag{TagDeliveryFailureReason, TagNetworkErrorCode, TagAdditionalStatusInfoText, TagDPFResult},
		blank:    func() PDU { return &DataSMResp{} },
		tlvs:     func(p PDU) *TLVs { return &p.(*DataSMResp).TLVs }},
}

// specs finds a row of the table by response bit and number; a map would cost more than the rest of a small PDU.
var specs = func() (index [2][0x104]*Spec) {
	for i := range table {
		s := &table[i]
		index[s.ID>>31][s.ID&^ResponseBit] = s
	}
	return index
}()

func specOf(id CommandID) *Spec {
	n := id &^ ResponseBit
	if int(n) >= len(specs[0]) {
		return nil
	}
	return specs[id>>31][n]
}

// Table returns a copy of the PDU table: generic_nack, then each request followed by its response, by number.
func Table() []Spec { return append([]Spec(nil), table...) }

// New returns an empty PDU of the command, or nil if it is not one of SMPP 3.4.
func New(id CommandID) PDU {
	if s := specOf(id); s != nil {
		return s.blank()
	}
	return nil
}

// WriteTable writes the PDU table, the optional parameters and the statuses as plain text, for people.
func WriteTable(w io.Writer) error {
	var b strings.Builder
	b.WriteString("SMPP 3.4: every PDU, as this package reads and writes it\n")
	for i := range table {
		s := &table[i]
		fmt.Fprintf(&b, "\n%s  0x%08X  §%s  from %s  in %s", s.Name, uint32(s.ID), s.Section, s.From, s.States)
		if s.Response != 0 {
			fmt.Fprintf(&b, "  answered by %s", s.Response)
		}
		b.WriteString("\n")
		for j := range s.Fields {
			f := &s.Fields[j]
			fmt.Fprintf(&b, "    %-24s %-15s max %-4d %s\n", f.Name, f.Kind, f.Max, f.Status.String())
		}
		if s.NoBodyOnError {
			b.WriteString("    no body if command_status is not zero\n")
		}
		for j, t := range s.Optional {
			if j == 0 {
				b.WriteString("    optional:")
			} else if j%4 == 0 {
				b.WriteString("\n             ")
			}
			fmt.Fprintf(&b, " %s", t)
		}
		if len(s.Optional) > 0 {
			b.WriteString("\n")
		}
	}
	b.WriteString("\nOptional parameters\n\n")
	for _, t := range tagTable {
		fmt.Fprintf(&b, "    0x%04X  %-28s %d to %d octets\n", uint16(t.Tag), t.Name, t.Min, t.Max)
	}
	b.WriteString("\nStatuses\n\n")
	for _, s := range statusTable {
		fmt.Fprintf(&b, "    0x%08X  %-26s %-12s %s\n", uint32(s.Status), s.Name, s.Class, s.Meaning)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
