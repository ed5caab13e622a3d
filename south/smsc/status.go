package smsc

import (
	"fmt"

	"longlines/message"
	"longlines/smpp"
)

// bindAction is what a refused bind means for the next attempt, docs/reference/reliability.md §3.4.
type bindAction uint8

const (
	bindBackOff bindAction = iota // 1 s to 60 s, full jitter
	bindAlready                   // the last connection is half-open at the centre: 5, 10, 20 … 300 s
	bindAlarm                     // the account is wrong: 60 s to 15 min, and an operator must look
)

// String is the word of the golden table.
func (a bindAction) String() string { return [...]string{"back-off", "already", "alarm"}[a] }

// verdict is one row of the table of docs/reference/reliability.md §3.4.
type verdict struct {
	status smpp.Status
	class  message.Class // in submit_sm_resp and data_sm_resp
	bind   bindAction    // in a bind's response
}

// verdicts holds the statuses of SMPP v3.4 §5.1.3 and SMPP v5.0 §4.7.6; [verdictOf] knows the ranges
// between them. The class IGN of the table is treated as TMPS, and logged.
var verdicts = []verdict{
	{smpp.StatusRINVMSGLEN, message.ClassBug, bindBackOff},
	{smpp.StatusRINVCMDLEN, message.ClassBug, bindBackOff}, // three in a row: the framing is lost, see framing
	{smpp.StatusRINVCMDID, message.ClassBug, bindBackOff},
	{smpp.StatusRINVBNDSTS, message.ClassBind, bindBackOff},
	{smpp.StatusRALYBND, message.ClassBind, bindAlready},
	{smpp.StatusRINVPRTFLG, message.ClassBug, bindBackOff},
	{smpp.StatusRINVREGDLVFLG, message.ClassBug, bindBackOff},
	{smpp.StatusRSYSERR, message.ClassTemporaryShort, bindBackOff},
	{smpp.StatusRINVSRCADR, message.ClassPermanent, bindBackOff},
	{smpp.StatusRINVDSTADR, message.ClassPermanent, bindBackOff},
	{smpp.StatusRINVMSGID, message.ClassPermanent, bindBackOff},
	{smpp.StatusRBINDFAIL, message.ClassBind, bindBackOff},
	{smpp.StatusRINVPASWD, message.ClassBind, bindAlarm},
	{smpp.StatusRINVSYSID, message.ClassBind, bindAlarm},
	{smpp.StatusRCANCELFAIL, message.ClassPermanent, bindBackOff},
	{smpp.StatusRREPLACEFAIL, message.ClassPermanent, bindBackOff},
	{smpp.StatusRMSGQFUL, message.ClassThrottled, bindBackOff},
	{smpp.StatusRINVSERTYP, message.ClassPermanent, bindBackOff},
	{smpp.StatusRINVNUMDESTS, message.ClassBug, bindBackOff}, // the submit_multi family: we send none
	{smpp.StatusRINVDLNAME, message.ClassPermanent, bindBackOff},
	{smpp.StatusRINVDESTFLAG, message.ClassBug, bindBackOff},
	{smpp.StatusRINVSUBREP, message.ClassPermanent, bindBackOff},
	{smpp.StatusRINVESMCLASS, message.ClassBug, bindBackOff},
	{smpp.StatusRCNTSUBDL, message.ClassPermanent, bindBackOff},
	{smpp.StatusRSUBMITFAIL, message.ClassTemporaryShort, bindBackOff}, // often "window exceeded": it shrinks too
	{smpp.StatusRINVSRCTON, message.ClassPermanent, bindBackOff},
	{smpp.StatusRINVSRCNPI, message.ClassPermanent, bindBackOff},
	{smpp.StatusRINVDSTTON, message.ClassPermanent, bindBackOff},
	{smpp.StatusRINVDSTNPI, message.ClassPermanent, bindBackOff},
	{smpp.StatusRINVSYSTYP, message.ClassBind, bindAlarm},
	{smpp.StatusRINVREPFLAG, message.ClassBug, bindBackOff},
	{smpp.StatusRINVNUMMSGS, message.ClassBug, bindBackOff},
	{smpp.StatusRTHROTTLED, message.ClassThrottled, bindBackOff},
	{smpp.StatusRINVSCHED, message.ClassBug, bindBackOff},
	{smpp.StatusRINVEXPIRY, message.ClassBug, bindBackOff}, // after one try without validity_period
	{smpp.StatusRINVDFTMSGID, message.ClassBug, bindBackOff},
	{smpp.StatusRX_T_APPN, message.ClassTemporary, bindBackOff},
	{smpp.StatusRX_P_APPN, message.ClassPermanent, bindBackOff},
	{smpp.StatusRX_R_APPN, message.ClassPermanent, bindBackOff},
	{smpp.StatusRQUERYFAIL, message.ClassTemporaryShort, bindBackOff},
	{smpp.StatusRINVOPTPARSTREAM, message.ClassBug, bindBackOff}, // after one try without message_payload
	{smpp.StatusROPTPARNOTALLWD, message.ClassBug, bindBackOff},
	{smpp.StatusRINVPARLEN, message.ClassBug, bindBackOff},
	{smpp.StatusRMISSINGOPTPARAM, message.ClassBug, bindBackOff},
	{smpp.StatusRINVOPTPARAMVAL, message.ClassBug, bindBackOff},
	{smpp.StatusRDELIVERYFAILURE, message.ClassTemporaryShort, bindBackOff},
	{smpp.StatusRUNKNOWNERR, message.ClassTemporaryShort, bindBackOff},
	{smpp.StatusRSERTYPUNAUTH, message.ClassPermanent, bindAlarm},
	{smpp.StatusRPROHIBITED, message.ClassPermanent, bindAlarm},
	{smpp.StatusRSERTYPUNAVAIL, message.ClassTemporary, bindBackOff},
	{smpp.StatusRSERTYPDENIED, message.ClassPermanent, bindAlarm},
	{smpp.StatusRINVDCS, message.ClassPermanent, bindBackOff},
	{smpp.StatusRINVSRCADDRSUBUNIT, message.ClassPermanent, bindBackOff},
	{smpp.StatusRINVDSTADDRSUBUNIT, message.ClassPermanent, bindBackOff},
	{smpp.StatusRINVBCASTFREQINT, message.ClassTemporaryShort, bindBackOff}, // the broadcast family: we send none
	{smpp.StatusRINVBCASTALIAS_NAME, message.ClassTemporaryShort, bindBackOff},
	{smpp.StatusRINVBCASTAREAFMT, message.ClassTemporaryShort, bindBackOff},
	{smpp.StatusRINVNUMBCAST_AREAS, message.ClassTemporaryShort, bindBackOff},
	{smpp.StatusRINVBCASTCNTTYPE, message.ClassTemporaryShort, bindBackOff},
	{smpp.StatusRINVBCASTMSGCLASS, message.ClassTemporaryShort, bindBackOff},
	{smpp.StatusRBCASTFAIL, message.ClassTemporaryShort, bindBackOff},
	{smpp.StatusRBCASTQUERYFAIL, message.ClassTemporaryShort, bindBackOff},
	{smpp.StatusRBCASTCANCELFAIL, message.ClassTemporaryShort, bindBackOff},
	{smpp.StatusRINVBCAST_REP, message.ClassTemporaryShort, bindBackOff},
	{smpp.StatusRINVBCASTSRVGRP, message.ClassTemporaryShort, bindBackOff},
	{smpp.StatusRINVBCASTCHANIND, message.ClassTemporaryShort, bindBackOff},
}

var verdictIndex = func() map[smpp.Status]verdict {
	m := make(map[smpp.Status]verdict, len(verdicts))
	for _, v := range verdicts {
		m[v.status] = v
	}
	return m
}()

// verdictOf finds the row of a status other than ROK. Statuses outside the table, those of the
// SMSC-vendor range included, are TMPS.
func verdictOf(s smpp.Status) verdict {
	if v, ok := verdictIndex[s]; ok {
		return v
	}
	return verdict{s, message.ClassTemporaryShort, bindBackOff}
}

// vendor reports whether a status belongs to the range that each SMSC vendor fills as he likes (SMPP
// v3.4 §5.1.3). One that no quirk explains is brought to the operator's notice.
func vendor(s smpp.Status) bool { return s >= 0x400 && s <= 0x4FF }

// framing reports whether a status says that the centre lost the boundaries of our PDUs.
func framing(s smpp.Status) bool {
	return s == smpp.StatusRINVCMDLEN || s == smpp.StatusRINVCMDID
}

// optional reports whether a status complains of optional parameters.
func optional(s smpp.Status) bool { return s >= 0xC0 && s <= 0xC4 }

// refusal is the status as the core hears it: border 12 of docs/reference/reliability.md §3.4. The
// code is the one shown to apps, "SMPP-000B"; the name is the standard's, "ESME_RINVDSTADR".
func refusal(s smpp.Status, class message.Class) *message.Refusal {
	return &message.Refusal{Class: class, Code: s.Code(), Name: s.String()}
}

// hint says what to do about a refused bind, for the test of a link and the log.
func hint(s smpp.Status) string {
	switch s {
	case smpp.StatusRALYBND:
		return "the centre still holds a bind of this account: another client uses it, or a lost connection has not timed out there yet"
	case smpp.StatusRINVPASWD:
		return "check the password (SMPP carries at most 8 characters), then ask the carrier whether it has changed"
	case smpp.StatusRINVSYSID:
		return "check the system id and that this address is on the carrier's list of allowed ones"
	case smpp.StatusRINVSYSTYP:
		return "ask the carrier which system type the account wants; many want none"
	case smpp.StatusRBINDFAIL:
		return "the centre gives no reason: ask the carrier about the account, its allowed addresses, the bind type and the number of binds"
	case smpp.StatusRINVBNDSTS:
		return "the account may not bind in this way: try another bind type"
	case smpp.StatusRINVCMDID:
		return "the centre does not know this bind type (transceivers came with SMPP 3.4): try pair"
	case smpp.StatusRSYSERR, smpp.StatusRTHROTTLED:
		return "the centre is in trouble or wants fewer attempts: wait a little"
	}
	if vendor(s) {
		return fmt.Sprintf("a status of the centre's own: ask the carrier what 0x%08X means", uint32(s))
	}
	return "ask the carrier what the centre's log says about this bind"
}
