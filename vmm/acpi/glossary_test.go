package acpi_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/vmm/acpi"
)

// The sources for iasl must not be what our own encoder says: iasl could print a field that
// is in a wrong place under a wrong name, and compile it back to that place. So each field
// of ours has here the name that iasl has for the field of the specification, and each
// source must give it the value that the sample has. No two fields of a structure have the
// same value, so that a name tells.
//
// A line is a type, then its fields with their names in iasl; - is one that iasl has as
// reserved, or not at all.
const glossaryText = `
Header: Revision=Revision OEMID=Oem_ID OEMTableID=Oem_Table_ID OEMRevision=Oem_Revision CreatorID=Asl_Compiler_ID CreatorRevision=Asl_Compiler_Revision
RSDT: Entries=ACPI_Table_Address
XSDT: Entries=ACPI_Table_Address
RSDP: OEMID=Oem_ID Revision=Revision RSDTAddress=RSDT_Address XSDTAddress=XSDT_Address
FACS: HardwareSignature=Hardware_Signature FirmwareWakingVector=32_Firmware_Waking_Vector GlobalLock=Global_Lock Flags=Flags
FACS: XFirmwareWakingVector=64_Firmware_Waking_Vector Version=Version OSPMFlags=OspmFlags
FADT: FirmwareCtrl=FACS_Address DSDT=DSDT_Address IntModel=Model PreferredPMProfile=PM_Profile SCIInt=SCI_Interrupt SMICmd=SMI_Command_Port
FADT: ACPIEnable=ACPI_Enable_Value ACPIDisable=ACPI_Disable_Value S4BIOSReq=S4BIOS_Command PStateCnt=P-State_Control
FADT: PM1aEvtBlk=PM1A_Event_Block_Address PM1bEvtBlk=PM1B_Event_Block_Address PM1aCntBlk=PM1A_Control_Block_Address
FADT: PM1bCntBlk=PM1B_Control_Block_Address PM2CntBlk=PM2_Control_Block_Address PMTmrBlk=PM_Timer_Block_Address
FADT: GPE0Blk=GPE0_Block_Address GPE1Blk=GPE1_Block_Address PM1EvtLen=PM1_Event_Block_Length PM1CntLen=PM1_Control_Block_Length
FADT: PM2CntLen=PM2_Control_Block_Length PMTmrLen=PM_Timer_Block_Length GPE0BlkLen=GPE0_Block_Length GPE1BlkLen=GPE1_Block_Length
FADT: GPE1Base=GPE1_Base_Offset CSTCnt=_CST_Support PLvl2Lat=C2_Latency PLvl3Lat=C3_Latency FlushSize=CPU_Cache_Size FlushStride=Cache_Flush_Stride
FADT: DutyOffset=Duty_Cycle_Offset DutyWidth=Duty_Cycle_Width DayAlrm=RTC_Day_Alarm_Index MonAlrm=RTC_Month_Alarm_Index Century=RTC_Century_Index
FADT: IAPCBootArch=Boot_Flags Flags=Flags ResetReg=Reset_Register ResetValue=Value_to_cause_reset ARMBootArch=ARM_Flags MinorVersion=FADT_Minor_Revision
FADT: XFirmwareCtrl=FACS_Address XDSDT=DSDT_Address XPM1aEvtBlk=PM1A_Event_Block XPM1bEvtBlk=PM1B_Event_Block XPM1aCntBlk=PM1A_Control_Block
FADT: XPM1bCntBlk=PM1B_Control_Block XPM2CntBlk=PM2_Control_Block XPMTmrBlk=PM_Timer_Block XGPE0Blk=GPE0_Block XGPE1Blk=GPE1_Block
FADT: SleepControlReg=Sleep_Control_Register SleepStatusReg=Sleep_Status_Register HypervisorVendorID=Hypervisor_ID
MADT: LocalAPICAddress=Local_Apic_Address Flags=Flags
LocalAPIC: ProcessorUID=Processor_ID APICID=Local_Apic_ID Flags=Flags
IOAPIC: ID=I/O_Apic_ID Address=Address GlobalSystemInterruptBase=Interrupt
InterruptSourceOverride: Bus=Bus Source=Source GlobalSystemInterrupt=Interrupt Flags=Flags
NMISource: Flags=Flags GlobalSystemInterrupt=Interrupt
LocalAPICNMI: ProcessorUID=Processor_ID Flags=Flags LINT=Interrupt_Input_LINT
LocalAPICAddressOverride: Address=APIC_Address
LocalX2APIC: X2APICID=Processor_x2Apic_ID Flags=Flags ProcessorUID=Processor_UID
LocalX2APICNMI: Flags=Flags ProcessorUID=Processor_UID LINT=Interrupt_Input_LINT
MultiprocessorWakeup: MailboxVersion=Mailbox_Version MailboxAddress=Mailbox_Address
GICC: CPUInterfaceNumber=CPU_Interface_Number ProcessorUID=Processor_UID Flags=Flags ParkingProtocolVersion=Parking_Protocol_Version
GICC: PerformanceInterruptGSIV=Performance_Interrupt ParkedAddress=Parked_Address PhysicalBaseAddress=Base_Address
GICC: GICV=Virtual_GIC_Base_Address GICH=Hypervisor_GIC_Base_Address VGICMaintenanceInterrupt=Virtual_GIC_Interrupt
GICC: GICRBaseAddress=Redistributor_Base_Address MPIDR=ARM_MPIDR EfficiencyClass=Efficiency_Class
GICC: SPEOverflowInterrupt=SPE_Overflow_Interrupt TRBEInterrupt=TRBE_Interrupt
GICD: GICID=Local_GIC_Hardware_ID PhysicalBaseAddress=Base_Address SystemVectorBase=Interrupt_Base GICVersion=Version
GICMSIFrame: MSIFrameID=MSI_Frame_ID PhysicalBaseAddress=Base_Address Flags=Flags SPICount=SPI_Count SPIBase=SPI_Base
GICR: Flags=Flags DiscoveryRangeBaseAddress=Base_Address DiscoveryRangeLength=Length
GICITS: Flags=Flags ITSID=Translation_ID PhysicalBaseAddress=Base_Address
GTDT: CntControlBase=Counter_Block_Address SecureEL1TimerGSIV=Secure_EL1_Interrupt SecureEL1TimerFlags=EL1_Flags
GTDT: NonSecureEL1TimerGSIV=Non-Secure_EL1_Interrupt NonSecureEL1TimerFlags=NEL1_Flags VirtualEL1TimerGSIV=Virtual_Timer_Interrupt
GTDT: VirtualEL1TimerFlags=VT_Flags EL2TimerGSIV=Non-Secure_EL2_Interrupt EL2TimerFlags=NEL2_Flags CntReadBase=Counter_Read_Block_Address
GTDT: PlatformTimerOffset=Platform_Timer_Offset VirtualEL2TimerGSIV=Virtual_EL2_Timer_GSIV VirtualEL2TimerFlags=Virtual_EL2_Timer_Flags
GTBlock: CntCtlBase=Block_Address
GTTimer: FrameNumber=Frame_Number CntBase=Base_Address CntEL0Base=EL0_Base_Address PhysicalTimerGSIV=Timer_Interrupt PhysicalTimerFlags=Timer_Flags
GTTimer: VirtualTimerGSIV=Virtual_Timer_Interrupt VirtualTimerFlags=Virtual_Timer_Flags CommonFlags=Common_Flags
GTWatchdog: RefreshFrame=Refresh_Frame_Address ControlFrame=Control_Frame_Address TimerGSIV=Timer_Interrupt TimerFlags=Timer_Flags
ProcessorNode: Flags=Flags Parent=Parent ACPIProcessorID=ACPI_Processor_ID PrivateResources=Private_Resource
CacheNode: Flags=Flags NextLevelOfCache=Next_Level_of_Cache Size=Size NumberOfSets=Number_of_Sets Associativity=Associativity Attributes=Attributes
CacheNode: LineSize=Line_Size CacheID=Cache_ID
PPTTID: VendorID=Vendor_ID Level1ID=Level1_ID Level2ID=Level2_ID MajorRevision=Major_revision MinorRevision=Minor_revision SpinRevision=Spin_revision
SPCR: InterfaceType=Interface_Type BaseAddress=Serial_Port_Register InterruptType=Interrupt_Type IRQ=PCAT-compatible_IRQ
SPCR: GlobalSystemInterrupt=Interrupt BaudRate=Baud_Rate Parity=Parity StopBits=Stop_Bits FlowControl=Flow_Control TerminalType=Terminal_Type
SPCR: Language=Language PCIDeviceID=PCI_Device_ID PCIVendorID=PCI_Vendor_ID PCIBus=PCI_Bus PCIDevice=PCI_Device PCIFunction=PCI_Function
SPCR: PCIFlags=PCI_Flags PCISegment=PCI_Segment UARTClockFrequency=Uart_Clock_Freq PreciseBaudRate=Precise_Baud_rate NamespaceString=NamespaceString
DBG2Port: NamespaceString=Namepath PortType=Port_Type PortSubtype=Port_Subtype Registers=Base_Address_Register Sizes=Address_Size OEMData=OEM_Data
MCFGAllocation: BaseAddress=Base_Address PCISegmentGroup=Segment_Group_Number StartBus=Start_Bus_Number EndBus=End_Bus_Number
BGRT: Version=Version Status=Status ImageType=Image_Type ImageAddress=Image_Address ImageOffsetX=Image_OffsetX ImageOffsetY=Image_OffsetY
TPM2: PlatformClass=Platform_Class ControlAreaAddress=Control_Address StartMethod=Start_Method Parameters=Method_Parameters
TPM2Log: MinimumLength=Minimum_Log_Length StartAddress=Log_Address
HPET: EventTimerBlockID=Hardware_Block_ID BaseAddress=Timer_Block_Register HPETNumber=Sequence_Number MinimumTick=Minimum_Clock_Ticks PageProtection=Flags
WAET: EmulatedDeviceFlags=Flags
APICAffinity: ProximityDomain=Proximity_Domain_Low(8)+Proximity_Domain_High(24) APICID=Apic_ID Flags=Flags LocalSAPICEID=Local_Sapic_EID ClockDomain=Clock_Domain
MemoryAffinity: ProximityDomain=Proximity_Domain BaseAddress=Base_Address Length=Address_Length Flags=Flags
X2APICAffinity: ProximityDomain=Proximity_Domain X2APICID=Apic_ID Flags=Flags ClockDomain=Clock_Domain
GICCAffinity: ProximityDomain=Proximity_Domain ProcessorUID=Acpi_Processor_UID Flags=Flags ClockDomain=Clock_Domain
ITSAffinity: ProximityDomain=Proximity_Domain ITSID=ITS_ID
InitiatorAffinity: DeviceHandleType=Device_Handle_Type ProximityDomain=Proximity_Domain DeviceHandle=Device_Handle Flags=Flags
PortAffinity: DeviceHandleType=Device_Handle_Type ProximityDomain=Proximity_Domain DeviceHandle=Device_Handle Flags=Flags
SLIT: Localities=Localities Entries=Locality
MemoryProximity: Flags=Flags InitiatorProximityDomain=Attached_Initiator_Proximity_Domain MemoryProximityDomain=Memory_Proximity_Domain
LocalityInformation: Flags=Flags DataType=Data_Type MinTransferSize=Minimum_Transfer_Size EntryBaseUnit=Entry_Base_Unit
LocalityInformation: Initiators=Initiator_Proximity_Domain_List Targets=Target_Proximity_Domain_List Entries=Entry
MemorySideCache: MemoryProximityDomain=Memory_Proximity_Domain CacheSize=Memory_Side_Cache_Size CacheAttributes=Cache_Attributes
MemorySideCache: AddressMode=Address_Mode SMBIOSHandles=SMBIOS_Handle
IORTHead: Revision=Revision Identifier=Identifier
IORTMapping: InputBase=Input_base NumIDs=ID_Count OutputBase=Output_Base OutputReference=Output_Reference Flags=Flags
IORTMemory: CacheCoherent=Cache_Coherency Hints=Hints Flags=Memory_Flags
ITSGroup: Identifiers=Identifiers
NamedComponent: Flags=Node_Flags AddressSizeLimit=Memory_Size_Limit DeviceName=Device_Name
RootComplex: ATSAttribute=ATS_Attribute PCISegmentNumber=PCI_Segment_Number AddressSizeLimit=Memory_Size_Limit PASIDCapabilities=PASID_Capabilities Flags=-
SMMUv3: BaseAddress=Base_Address Flags=Flags VATOSAddress=VATOS_Address Model=Model EventGSIV=Event_GSIV PRIGSIV=PRI_GSIV GERRGSIV=GERR_GSIV
SMMUv3: SyncGSIV=Sync_GSIV ProximityDomain=Proximity_Domain DeviceIDMappingIndex=Device_ID_Mapping_Index
SMMUv2: BaseAddress=Base_Address Span=Span Model=Model Flags=Flags NSgIrpt=NSgIrpt NSgCfgIrpt=NSgCfgIrpt
SMMUv2: ContextInterrupts=Context_Interrupt PMUInterrupts=PMU_Interrupt
ReservedMemory: Flags=Flags
ReservedRange: Base=Base_Address_of_RMR Length=Length_of_RMR
PMCG: Page0BaseAddress=Page_0_Base_Address OverflowInterruptGSIV=Overflow_Interrupt_GSIV NodeReference=Node_Reference Page1BaseAddress=Page_1_Base_Address
VIOTPCIRange: EndpointStart=Endpoint_start PCISegmentStart=PCI_Segment_start PCISegmentEnd=PCI_Segment_end BDFStart=PCI_BDF_start
VIOTPCIRange: BDFEnd=PCI_BDF_end OutputNode=Output_node
VIOTMMIOEndpoint: EndpointID=Endpoint BaseAddress=Base_address OutputNode=Output_node
VIOTIOMMUPCI: PCISegment=PCI_Segment BDF=PCI_BDF_number
VIOTIOMMUMMIO: BaseAddress=Base_address
MachineCheck: SourceID=Source_Id Flags=Flags Enabled=Enabled RecordsToPreallocate=Records_To_Preallocate MaxSectionsPerRecord=Max_Sections_Per_Record
MachineCheck: GlobalCapabilityData=Global_Capability_Data GlobalControlData=Global_Control_Data
CorrectedMachineCheck: SourceID=Source_Id Flags=Flags Enabled=Enabled RecordsToPreallocate=Records_To_Preallocate
CorrectedMachineCheck: MaxSectionsPerRecord=Max_Sections_Per_Record
DeferredMachineCheck: SourceID=Source_Id Flags=Flags Enabled=Enabled RecordsToPreallocate=Records_To_Preallocate
DeferredMachineCheck: MaxSectionsPerRecord=Max_Sections_Per_Record
NMIError: SourceID=Source_Id RecordsToPreallocate=Records_To_Preallocate MaxSectionsPerRecord=Max_Sections_Per_Record MaxRawDataLength=Max_Raw_Data_Length
ErrorBank: BankNumber=Bank_Number ClearStatusOnInit=Clear_Status_On_Init StatusDataFormat=Status_Format ControlRegister=Control_Register
ErrorBank: ControlInitData=Control_Data StatusRegister=Status_Register AddressRegister=Address_Register MiscRegister=Misc_Register
Notification: Type=Notify_Type ConfigurationWriteEnable=Configuration_Write_Enable PollInterval=PollInterval Vector=Vector
Notification: SwitchToPollingThreshold=Polling_Threshold_Value SwitchToPollingWindow=Polling_Threshold_Window
Notification: ErrorThreshold=Error_Threshold_Value ErrorThresholdWindow=Error_Threshold_Window
AER: SourceID=Source_Id Flags=Flags Enabled=Enabled RecordsToPreallocate=Records_To_Preallocate MaxSectionsPerRecord=Max_Sections_Per_Record
AER: Bus=Bus Device=Device Function=Function DeviceControl=DeviceControl UncorrectableMask=Uncorrectable_Mask
AER: UncorrectableSeverity=Uncorrectable_Severity CorrectableMask=Correctable_Mask CapabilitiesAndControl=Advanced_Capabilities
RootPortAER: RootErrorCommand=Root_Error_Command
BridgeAER: SecondaryUncorrectableMask=2nd_Uncorrectable_Mask SecondaryUncorrectableSeverity=2nd_Uncorrectable_Severity
BridgeAER: SecondaryCapabilitiesAndControl=2nd_Advanced_Capabilities
GenericError: SourceID=Source_Id RelatedSourceID=Related_Source_Id Flags=- Enabled=Enabled RecordsToPreallocate=Records_To_Preallocate
GenericError: MaxSectionsPerRecord=Max_Sections_Per_Record MaxRawDataLength=Max_Raw_Data_Length ErrorStatusAddress=Error_Status_Address
GenericError: ErrorStatusBlockLength=Error_Status_Block_Length
GenericErrorV2: ReadAckRegister=Read_Ack_Register ReadAckPreserve=Read_Ack_Preserve ReadAckWrite=Read_Ack_Write
GAS: SpaceID=Space_ID BitWidth=Bit_Width BitOffset=Bit_Offset AccessSize=Encoded_Access_Width Address=Address
`

// computed are the names of fields that are not ours to give.
var computed = regexp.MustCompile(`^(Signature|Table Length|(Extended )?Checksum|Reserved\d?|(Subtable |Structure )?Type|Length|Table Revision|.* (Count|count|#)|ItsCount|` +
	`(Mapping|Node|Timer|Info|Namepath|Base Address|Address Size|OEM Data|RMR Descriptor|Global Interrupt|Context Interrupt|PMU Interrupt) (O|o)ffset|` +
	`(Namepath|OEM Data) Length|NameSpaceString(Length|Offset)|Private Resource Number|Number of RMR Descriptors|Num Hardware Banks|Notify Length|Memory Properties|Notify|Padding)$`)

func glossary() map[string]string {
	out := map[string]string{}

	for line := range strings.Lines(glossaryText) {
		typ, fields, _ := strings.Cut(line, ": ")
		for _, f := range strings.Fields(fields) {
			name, label, _ := strings.Cut(f, "=")
			out[typ+"."+name] = strings.ReplaceAll(label, "_", " ")
		}
	}

	out["FADT.CSTCnt"] = "_CST Support"

	return out
}

// source is the values of a source for iasl, by their names.
type source map[string][]string

var (
	sourceLine = regexp.MustCompile(`^\[[0-9A-Fa-fh ]+\] *(.*?) *(?:\(decoded below\) *)?: (.*)$`)
	numbered   = regexp.MustCompile(`^(Locality|ACPI Table Address) +\d+$`)
)

func readSource(t *testing.T, file string) source {
	t.Helper()

	text, err := os.ReadFile(file)
	require.NoError(t, err)

	out := source{}
	register, part, before := "", 0, ""

	for line := range strings.Lines(string(text)) {
		m := sourceLine.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			continue
		}

		label, value := numbered.ReplaceAllString(m[1], "$1"), strings.TrimSpace(m[2])

		switch {
		case label == "Length" && before != "Base Address": // a structure's, not a GICR's
			continue
		case value == "[Generic Address Structure]":
			register, part = label, 5
			continue
		case part > 0:
			part--
			label = register + "/" + label
		}

		out[label] = append(out[label], value)
		before = label
	}

	return out
}

// reader compares a table with a source.
type reader struct {
	t        *testing.T
	file     string
	glossary map[string]string
	source   source
	used     map[string]bool
}

// next takes the next value of a name. What isn't in the source, which is of another form of
// the table, is zero.
func (r *reader) next(label string) (string, bool) {
	r.used[label] = true

	list := r.source[label]
	if len(list) == 0 {
		return "", false
	}

	r.source[label] = list[1:]

	return list[0], true
}

func (r *reader) number(field, label string, want uint64) {
	text, ok := "", false
	if label != "-" {
		text, ok = r.next(label)
	}

	if !ok {
		require.Zero(r.t, want, "%s: %s has no %q", field, r.file, label)
		return
	}

	got, err := strconv.ParseUint(text, 16, 64)
	require.NoError(r.t, err, "%s: %s", r.file, label)
	require.Equal(r.t, fmt.Sprintf("%#x", got), fmt.Sprintf("%#x", want), "%s, which is %q in %s", field, label, r.file)
}

func (r *reader) label(field string) string {
	label, ok := r.glossary[field]
	require.True(r.t, ok, "the glossary hasn't %s", field)
	r.used[field] = true

	return label
}

// walk compares what is in a value, which is in a field of that name.
func (r *reader) walk(field string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			r.walk(field, v.Elem())
		}
	case reflect.Struct:
		r.fields(field, v)
	case reflect.Slice, reflect.Array:
		r.list(field, v)
	case reflect.String:
		text, ok := r.next(r.label(field))
		require.True(r.t, ok || v.IsZero(), "%s: %s", r.file, field)
		require.Equal(r.t, v.String(), strings.TrimRight(strings.Trim(text, `"`), " "), "%s: %s", r.file, field)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		low, high, both := strings.Cut(r.label(field), "+")
		if both {
			r.number(field, low, v.Uint()&0xff)
			r.number(field, high, v.Uint()>>8)
		} else {
			r.number(field, low, v.Uint())
		}
	default:
		require.Fail(r.t, "unexpected", "%s is a %v", field, v.Kind())
	}
}

func (r *reader) fields(field string, v reflect.Value) {
	switch s := v.Interface().(type) {
	case acpi.GAS:
		register := r.label(field)
		for i := range v.NumField() {
			name := "GAS." + v.Type().Field(i).Name
			r.number(field, register+"/"+r.label(name), v.Field(i).Uint())
		}

		return
	case acpi.SMMUInterrupt:
		r.number(field, r.label(field), uint64(s.GSIV))
		r.number(field, r.label(field)+" Flags", uint64(s.Flags))

		return
	}

	var mappings reflect.Value // of a node, behind all else

	for i := range v.NumField() {
		f := v.Type().Field(i)

		switch name := v.Type().Name() + "." + f.Name; {
		case !f.IsExported(), f.Name == "Extra", f.Name == "Length" && (name == "FADT.Length" || name == "GICC.Length"):
		case f.Name == "Padding":
			require.Zero(r.t, v.Field(i).Len())
		case name == "IORTHead.Mappings":
		case f.Name == "IORTHead":
			r.walk(name, v.Field(i))
			mappings = v.Field(i).FieldByName("Mappings")
		default:
			r.walk(name, v.Field(i))
		}
	}

	if mappings.IsValid() {
		r.walk("", mappings)
	}
}

func (r *reader) list(field string, v reflect.Value) {
	switch v.Type().Elem().Kind() {
	case reflect.Uint8: // in as many lines as there are
		var all string

		label := r.label(field)
		for n := 0; n < v.Len(); n = len(strings.Fields(all)) {
			text, ok := r.next(label)
			require.True(r.t, ok, "%s: %s", r.file, field)

			all += " " + text
		}

		b, err := hex.DecodeString(strings.ReplaceAll(all, " ", ""))
		require.NoError(r.t, err)

		for i := range v.Len() {
			require.Equal(r.t, b[i], byte(v.Index(i).Uint()), "%s: %s", r.file, field)
		}
	default:
		for i := range v.Len() {
			if s, ok := v.Index(i).Interface().(acpi.SMMUInterrupt); ok {
				r.number(field, r.label(field), uint64(s.GSIV)|uint64(s.Flags)<<32)
			} else {
				r.walk(field, v.Index(i))
			}
		}
	}
}

// TestIASL_fields: each source says, in iasl's words, what the sample says in ours.
func TestIASL_fields(t *testing.T) {
	known := glossary()
	used := map[string]bool{"RootComplex.Flags": true} // which no iasl knows

	for _, s := range samples() {
		files, err := filepath.Glob(filepath.Join("testdata", "iasl", s.name+".*"))
		require.NoError(t, err)
		require.NotEmpty(t, files)

		for _, file := range files {
			// As it is read again: without fields that the form hasn't.
			table, err := acpi.Parse(marshal(t, s.table))
			require.NoError(t, err)

			r := &reader{t: t, file: file, glossary: known, source: readSource(t, file), used: map[string]bool{}}
			r.walk("", reflect.ValueOf(table))

			for label, values := range r.source {
				known := len(values) == 0 || computed.MatchString(label) || label == "Revision" && s.table.Signature() == "DBG2" // of each port: 0
				require.True(t, known, "%s: nothing is %q of %v", file, label, values)
			}

			for u := range r.used {
				used[u] = true
			}
		}
	}

	for field := range known {
		require.True(t, used[field], "%s is in no sample", field)
	}
}
