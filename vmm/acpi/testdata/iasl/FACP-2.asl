[0004] Signature : "FACP"
[0004] Table Length : 00000084
[0001] Revision : 02
[0001] Checksum : 00
[0006] Oem ID : "VGRAFT"
[0008] Oem Table ID : "SAMPLE"
[0004] Oem Revision : 04030201
[0004] Asl Compiler ID : "VGFT"
[0004] Asl Compiler Revision : 08070605

[0004] FACS Address : 0FEE0040
[0004] DSDT Address : 0FEE0080
[0001] Model : 01
[0001] PM Profile : 03
[0002] SCI Interrupt : 0009
[0004] SMI Command Port : 000000B2
[0001] ACPI Enable Value : A1
[0001] ACPI Disable Value : A0
[0001] S4BIOS Command : 61
[0001] P-State Control : 62
[0004] PM1A Event Block Address : 00000600
[0004] PM1B Event Block Address : 00000610
[0004] PM1A Control Block Address : 00000604
[0004] PM1B Control Block Address : 00000614
[0004] PM2 Control Block Address : 00000650
[0004] PM Timer Block Address : 00000608
[0004] GPE0 Block Address : 0000AFE0
[0004] GPE1 Block Address : 0000B0E0
[0001] PM1 Event Block Length : 04
[0001] PM1 Control Block Length : 02
[0001] PM2 Control Block Length : 01
[0001] PM Timer Block Length : 05
[0001] GPE0 Block Length : 08
[0001] GPE1 Block Length : 10
[0001] GPE1 Base Offset : 20
[0001] _CST Support : 63
[0002] C2 Latency : 0FFF
[0002] C3 Latency : 0FFE
[0002] CPU Cache Size : 0400
[0002] Cache Flush Stride : 0011
[0001] Duty Cycle Offset : 03
[0001] Duty Cycle Width : 06
[0001] RTC Day Alarm Index : 7D
[0001] RTC Month Alarm Index : 7E
[0001] RTC Century Index : 32
[0002] Boot Flags (decoded below) : 0002
        Legacy Devices Supported (V2) : 0
     8042 Present on ports 60/64 (V2) : 1
                 VGA Not Present (V4) : 0
               MSI Not Supported (V4) : 0
         PCIe ASPM Not Supported (V4) : 0
            CMOS RTC Not Present (V5) : 0
[0001] Reserved : 00
[0004] Flags (decoded below) : 00000485
      WBINVD instruction is operational (V1) : 1
              WBINVD flushes all caches (V1) : 0
                    All CPUs support C1 (V1) : 1
                  C2 works on MP system (V1) : 0
            Control Method Power Button (V1) : 0
            Control Method Sleep Button (V1) : 0
        RTC wake not in fixed reg space (V1) : 0
            RTC can wake system from S4 (V1) : 1
                        32-bit PM Timer (V1) : 0
                      Docking Supported (V1) : 0
               Reset Register Supported (V2) : 1
                            Sealed Case (V3) : 0
                    Headless - No Video (V3) : 0
        Use native instr after SLP_TYPx (V3) : 0
              PCIEXP_WAK Bits Supported (V4) : 0
                     Use Platform Timer (V4) : 0
               RTC_STS valid on S4 wake (V4) : 0
                Remote Power-on capable (V4) : 0
                 Use APIC Cluster Model (V4) : 0
     Use APIC Physical Destination Mode (V4) : 0
                       Hardware Reduced (V5) : 0
                      Low Power S0 Idle (V5) : 0

[0012] Reset Register : [Generic Address Structure]
[0001] Space ID : 01
[0001] Bit Width : 08
[0001] Bit Offset : 02
[0001] Encoded Access Width : 03
[0008] Address : 0000000000000CF9
[0001] Value to cause reset : 06
[0002] Reserved : 0000
[0001] Reserved : 00
