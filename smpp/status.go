package smpp

import (
	"fmt"
	"strings"
)

// Status is a command_status: the result of a request (SMPP 3.4 §5.1.3, SMPP 5.0 §4.7.6).
// A Status other than StatusROK is an error and can be found in an error with errors.As. Since it is an error, the verbs %s
// and %v print it with its meaning; String gives the name alone.
type Status uint32

// The statuses of SMPP 3.4, by their standard names without the prefix ESME_.
const (
	StatusROK              Status = 0x00
	StatusRINVMSGLEN       Status = 0x01
	StatusRINVCMDLEN       Status = 0x02
	StatusRINVCMDID        Status = 0x03
	StatusRINVBNDSTS       Status = 0x04
	StatusRALYBND          Status = 0x05
	StatusRINVPRTFLG       Status = 0x06
	StatusRINVREGDLVFLG    Status = 0x07
	StatusRSYSERR          Status = 0x08
	StatusRINVSRCADR       Status = 0x0A
	StatusRINVDSTADR       Status = 0x0B
	StatusRINVMSGID        Status = 0x0C
	StatusRBINDFAIL        Status = 0x0D
	StatusRINVPASWD        Status = 0x0E
	StatusRINVSYSID        Status = 0x0F
	StatusRCANCELFAIL      Status = 0x11
	StatusRREPLACEFAIL     Status = 0x13
	StatusRMSGQFUL         Status = 0x14
	StatusRINVSERTYP       Status = 0x15
	StatusRINVNUMDESTS     Status = 0x33
	StatusRINVDLNAME       Status = 0x34
	StatusRINVDESTFLAG     Status = 0x40
	StatusRINVSUBREP       Status = 0x42
	StatusRINVESMCLASS     Status = 0x43
	StatusRCNTSUBDL        Status = 0x44
	StatusRSUBMITFAIL      Status = 0x45
	StatusRINVSRCTON       Status = 0x48
	StatusRINVSRCNPI       Status = 0x49
	StatusRINVDSTTON       Status = 0x50
	StatusRINVDSTNPI       Status = 0x51
	StatusRINVSYSTYP       Status = 0x53
	StatusRINVREPFLAG      Status = 0x54
	StatusRINVNUMMSGS      Status = 0x55
	StatusRTHROTTLED       Status = 0x58
	StatusRINVSCHED        Status = 0x61
	StatusRINVEXPIRY       Status = 0x62
	StatusRINVDFTMSGID     Status = 0x63
	StatusRX_T_APPN        Status = 0x64
	StatusRX_P_APPN        Status = 0x65
	StatusRX_R_APPN        Status = 0x66
	StatusRQUERYFAIL       Status = 0x67
	StatusRINVOPTPARSTREAM Status = 0xC0
	StatusROPTPARNOTALLWD  Status = 0xC1
	StatusRINVPARLEN       Status = 0xC2
	StatusRMISSINGOPTPARAM Status = 0xC3
	StatusRINVOPTPARAMVAL  Status = 0xC4
	StatusRDELIVERYFAILURE Status = 0xFE
	StatusRUNKNOWNERR      Status = 0xFF
)

// The statuses that SMPP 5.0 added.
const (
	StatusRSERTYPUNAUTH       Status = 0x100
	StatusRPROHIBITED         Status = 0x101
	StatusRSERTYPUNAVAIL      Status = 0x102
	StatusRSERTYPDENIED       Status = 0x103
	StatusRINVDCS             Status = 0x104
	StatusRINVSRCADDRSUBUNIT  Status = 0x105
	StatusRINVDSTADDRSUBUNIT  Status = 0x106
	StatusRINVBCASTFREQINT    Status = 0x107
	StatusRINVBCASTALIAS_NAME Status = 0x108
	StatusRINVBCASTAREAFMT    Status = 0x109
	StatusRINVNUMBCAST_AREAS  Status = 0x10A
	StatusRINVBCASTCNTTYPE    Status = 0x10B
	StatusRINVBCASTMSGCLASS   Status = 0x10C
	StatusRBCASTFAIL          Status = 0x10D
	StatusRBCASTQUERYFAIL     Status = 0x10E
	StatusRBCASTCANCELFAIL    Status = 0x10F
	StatusRINVBCAST_REP       Status = 0x110
	StatusRINVBCASTSRVGRP     Status = 0x111
	StatusRINVBCASTCHANIND    Status = 0x112
)

// The names SMPP 5.0 gave to statuses that 3.4 already had.
const (
	StatusRINVTLVSTREAM = StatusRINVOPTPARSTREAM
	StatusRTLVNOTALLWD  = StatusROPTPARNOTALLWD
	StatusRINVTLVLEN    = StatusRINVPARLEN
	StatusRMISSINGTLV   = StatusRMISSINGOPTPARAM
	StatusRINVTLVVAL    = StatusRINVOPTPARAMVAL
)

// Class says what a sender does about a status in a response (docs/reference/reliability.md §3.4).
// It is the standard reading; a centre that means something else by a number needs a table of its own.
type Class uint8

const (
	ClassOK         Class = iota // accepted
	ClassThrottle                // slow the whole bind down, no attempt counted
	ClassRetry                   // try this message again until its validity ends
	ClassRetryShort              // the same, with a small cap on attempts
	ClassPermanent               // fail this message now
	ClassBind                    // trouble with the bind, not with the message
	ClassBug                     // we built a bad PDU: never send the same octets again
	ClassUnexpected              // does not belong into this response: log, then as ClassRetryShort
)

var classNames = [...]string{"ok", "throttle", "retry", "retry-short", "permanent", "bind", "bug", "unexpected"}

// String returns the class in one lower-case word.
func (c Class) String() string {
	if int(c) < len(classNames) {
		return classNames[c]
	}
	return fmt.Sprintf("class-%d", uint8(c))
}

// StatusSpec is one row of the status table.
type StatusSpec struct {
	Status  Status
	Name    string // by the standard, with ESME_
	Meaning string // one line, lower case
	Class   Class
}

// statusTable is ordered by number.
var statusTable = []StatusSpec{
	{StatusROK, "ESME_ROK", "no error", ClassOK},
	{StatusRINVMSGLEN, "ESME_RINVMSGLEN", "message length is invalid", ClassBug},
	{StatusRINVCMDLEN, "ESME_RINVCMDLEN", "command length is invalid", ClassBug},
	{StatusRINVCMDID, "ESME_RINVCMDID", "invalid command ID", ClassBug},
	{StatusRINVBNDSTS, "ESME_RINVBNDSTS", "incorrect bind status for given command", ClassBind},
	{StatusRALYBND, "ESME_RALYBND", "already bound", ClassBind},
	{StatusRINVPRTFLG, "ESME_RINVPRTFLG", "invalid priority flag", ClassBug},
	{StatusRINVREGDLVFLG, "ESME_RINVREGDLVFLG", "invalid registered delivery flag", ClassBug},
	{StatusRSYSERR, "ESME_RSYSERR", "system error", ClassRetryShort},
	{StatusRINVSRCADR, "ESME_RINVSRCADR", "invalid source address", ClassPermanent},
	{StatusRINVDSTADR, "ESME_RINVDSTADR", "invalid destination address", ClassPermanent},
	{StatusRINVMSGID, "ESME_RINVMSGID", "message ID is invalid", ClassPermanent},
	{StatusRBINDFAIL, "ESME_RBINDFAIL", "bind failed", ClassBind},
	{StatusRINVPASWD, "ESME_RINVPASWD", "invalid password", ClassBind},
	{StatusRINVSYSID, "ESME_RINVSYSID", "invalid system ID", ClassBind},
	{StatusRCANCELFAIL, "ESME_RCANCELFAIL", "cancel_sm failed", ClassPermanent},
	{StatusRREPLACEFAIL, "ESME_RREPLACEFAIL", "replace_sm failed", ClassPermanent},
	{StatusRMSGQFUL, "ESME_RMSGQFUL", "message queue full", ClassThrottle},
	{StatusRINVSERTYP, "ESME_RINVSERTYP", "invalid service type", ClassPermanent},
	{StatusRINVNUMDESTS, "ESME_RINVNUMDESTS", "invalid number of destinations", ClassBug},
	{StatusRINVDLNAME, "ESME_RINVDLNAME", "invalid distribution list name", ClassPermanent},
	{StatusRINVDESTFLAG, "ESME_RINVDESTFLAG", "destination flag is invalid", ClassBug},
	{StatusRINVSUBREP, "ESME_RINVSUBREP", "submit with replace is not possible", ClassPermanent},
	{StatusRINVESMCLASS, "ESME_RINVESMCLASS", "invalid esm_class field data", ClassBug},
	{StatusRCNTSUBDL, "ESME_RCNTSUBDL", "cannot submit to distribution list", ClassPermanent},
	{StatusRSUBMITFAIL, "ESME_RSUBMITFAIL", "submit_sm or submit_multi failed", ClassRetryShort},
	{StatusRINVSRCTON, "ESME_RINVSRCTON", "invalid source address TON", ClassPermanent},
	{StatusRINVSRCNPI, "ESME_RINVSRCNPI", "invalid source address NPI", ClassPermanent},
	{StatusRINVDSTTON, "ESME_RINVDSTTON", "invalid destination address TON", ClassPermanent},
	{StatusRINVDSTNPI, "ESME_RINVDSTNPI", "invalid destination address NPI", ClassPermanent},
	{StatusRINVSYSTYP, "ESME_RINVSYSTYP", "invalid system type", ClassBind},
	{StatusRINVREPFLAG, "ESME_RINVREPFLAG", "invalid replace_if_present flag", ClassBug},
	{StatusRINVNUMMSGS, "ESME_RINVNUMMSGS", "invalid number of messages", ClassBug},
	{StatusRTHROTTLED, "ESME_RTHROTTLED", "throttled: allowed message limits exceeded", ClassThrottle},
	{StatusRINVSCHED, "ESME_RINVSCHED", "invalid scheduled delivery time", ClassBug},
	{StatusRINVEXPIRY, "ESME_RINVEXPIRY", "invalid validity period", ClassBug},
	{StatusRINVDFTMSGID, "ESME_RINVDFTMSGID", "predefined message is invalid or not found", ClassBug},
	{StatusRX_T_APPN, "ESME_RX_T_APPN", "receiver: temporary application error", ClassRetry},
	{StatusRX_P_APPN, "ESME_RX_P_APPN", "receiver: permanent application error", ClassPermanent},
	{StatusRX_R_APPN, "ESME_RX_R_APPN", "receiver: message rejected", ClassPermanent},
	{StatusRQUERYFAIL, "ESME_RQUERYFAIL", "query_sm failed", ClassUnexpected},
	{StatusRINVOPTPARSTREAM, "ESME_RINVOPTPARSTREAM", "error in the optional part of the PDU", ClassBug},
	{StatusROPTPARNOTALLWD, "ESME_ROPTPARNOTALLWD", "optional parameter not allowed", ClassBug},
	{StatusRINVPARLEN, "ESME_RINVPARLEN", "invalid parameter length", ClassBug},
	{StatusRMISSINGOPTPARAM, "ESME_RMISSINGOPTPARAM", "expected optional parameter missing", ClassBug},
	{StatusRINVOPTPARAMVAL, "ESME_RINVOPTPARAMVAL", "invalid optional parameter value", ClassBug},
	{StatusRDELIVERYFAILURE, "ESME_RDELIVERYFAILURE", "delivery failure", ClassRetryShort},
	{StatusRUNKNOWNERR, "ESME_RUNKNOWNERR", "unknown error", ClassRetryShort},
	{StatusRSERTYPUNAUTH, "ESME_RSERTYPUNAUTH", "not authorised to use the service type", ClassPermanent},
	{StatusRPROHIBITED, "ESME_RPROHIBITED", "not allowed to use the operation", ClassPermanent},
	{StatusRSERTYPUNAVAIL, "ESME_RSERTYPUNAVAIL", "service type is unavailable", ClassRetry},
	{StatusRSERTYPDENIED, "ESME_RSERTYPDENIED", "service type is denied", ClassPermanent},
	{StatusRINVDCS, "ESME_RINVDCS", "invalid data coding scheme", ClassPermanent},
	{StatusRINVSRCADDRSUBUNIT, "ESME_RINVSRCADDRSUBUNIT", "source address subunit is invalid", ClassPermanent},
	{StatusRINVDSTADDRSUBUNIT, "ESME_RINVDSTADDRSUBUNIT", "destination address subunit is invalid", ClassPermanent},
	{StatusRINVBCASTFREQINT, "ESME_RINVBCASTFREQINT", "broadcast frequency interval is invalid", ClassUnexpected},
	{StatusRINVBCASTALIAS_NAME, "ESME_RINVBCASTALIAS_NAME", "broadcast alias name is invalid", ClassUnexpected},
	{StatusRINVBCASTAREAFMT, "ESME_RINVBCASTAREAFMT", "broadcast area format is invalid", ClassUnexpected},
	{StatusRINVNUMBCAST_AREAS, "ESME_RINVNUMBCAST_AREAS", "number of broadcast areas is invalid", ClassUnexpected},
	{StatusRINVBCASTCNTTYPE, "ESME_RINVBCASTCNTTYPE", "broadcast content type is invalid", ClassUnexpected},
	{StatusRINVBCASTMSGCLASS, "ESME_RINVBCASTMSGCLASS", "broadcast message class is invalid", ClassUnexpected},
	{StatusRBCASTFAIL, "ESME_RBCASTFAIL", "broadcast_sm failed", ClassUnexpected},
	{StatusRBCASTQUERYFAIL, "ESME_RBCASTQUERYFAIL", "query_broadcast_sm failed", ClassUnexpected},
	{StatusRBCASTCANCELFAIL, "ESME_RBCASTCANCELFAIL", "cancel_broadcast_sm failed", ClassUnexpected},
	{StatusRINVBCAST_REP, "ESME_RINVBCAST_REP", "number of repeated broadcasts is invalid", ClassUnexpected},
	{StatusRINVBCASTSRVGRP, "ESME_RINVBCASTSRVGRP", "broadcast service group is invalid", ClassUnexpected},
	{StatusRINVBCASTCHANIND, "ESME_RINVBCASTCHANIND", "broadcast channel indicator is invalid", ClassUnexpected},
}

var statusIndex = func() map[Status]*StatusSpec {
	m := make(map[Status]*StatusSpec, len(statusTable))
	for i := range statusTable {
		m[statusTable[i].Status] = &statusTable[i]
	}
	return m
}()

// Statuses returns a copy of the status table, ordered by number.
func Statuses() []StatusSpec { return append([]StatusSpec(nil), statusTable...) }

// ParseStatus finds a status by its name, with or without ESME_ and in any case.
func ParseStatus(name string) (Status, bool) {
	name = strings.TrimPrefix(strings.ToUpper(name), "ESME_")
	for i := range statusTable {
		if statusTable[i].Name[len("ESME_"):] == name {
			return statusTable[i].Status, true
		}
	}
	return 0, false
}

// String returns the standard's name, such as "ESME_RTHROTTLED", or the number as "0x00000401".
func (s Status) String() string {
	if r := statusIndex[s]; r != nil {
		return r.Name
	}
	return fmt.Sprintf("0x%08X", uint32(s))
}

// Code returns the spelling used in error tables, such as "SMPP-000B": four hexadecimal digits, more if needed.
func (s Status) Code() string { return fmt.Sprintf("SMPP-%04X", uint32(s)) }

// Meaning returns the status in one line of words, lower case.
func (s Status) Meaning() string {
	if r := statusIndex[s]; r != nil {
		return r.Meaning
	}
	if s >= 0x400 && s <= 0x4FF {
		return "error specific to the SMSC's vendor" // SMPP 3.4 §5.1.3, reserved for SMSC vendor specific errors
	}
	return "reserved status"
}

// Error makes a Status an error: "ESME_RINVDSTADR (invalid destination address)".
func (s Status) Error() string { return s.String() + " (" + s.Meaning() + ")" }

// Class returns what a sender does about s. Numbers outside the table are ClassRetryShort.
func (s Status) Class() Class {
	if r := statusIndex[s]; r != nil {
		return r.Class
	}
	return ClassRetryShort
}

// Temporary reports that the same message may succeed later.
func (s Status) Temporary() bool {
	switch s.Class() {
	case ClassThrottle, ClassRetry, ClassRetryShort, ClassBind, ClassUnexpected:
		return true
	}
	return false
}

// BindSurvives reports that s says nothing against the bind it came on.
func (s Status) BindSurvives() bool { return s.Class() != ClassBind }
