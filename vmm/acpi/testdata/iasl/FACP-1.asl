[0004]                    Signature : "FACP"
[0004]                 Table Length : 00000074
[0001]                     Revision : 01
[0001]                     Checksum : 93
[0006]                       Oem ID : "VGRAFT"
[0008]                 Oem Table ID : "SAMPLE"
[0004]                 Oem Revision : 04030201
[0004]              Asl Compiler ID : "VGFT"
[0004]        Asl Compiler Revision : 08070605
[0004]                 FACS Address : 03020101
[0004]                 DSDT Address : 03020102
[0001]                        Model : 03
[0001]                   PM Profile : 04
[0002]                SCI Interrupt : 0104
[0004]             SMI Command Port : 03020105
[0001]            ACPI Enable Value : 06
[0001]           ACPI Disable Value : 07
[0001]               S4BIOS Command : 08
[0001]              P-State Control : 09
[0004]     PM1A Event Block Address : 0302010A
[0004]     PM1B Event Block Address : 0302010B
[0004]   PM1A Control Block Address : 0302010C
[0004]   PM1B Control Block Address : 0302010D
[0004]    PM2 Control Block Address : 0302010E
[0004]       PM Timer Block Address : 0302010F
[0004]           GPE0 Block Address : 03020110
[0004]           GPE1 Block Address : 03020111
[0001]       PM1 Event Block Length : 04
[0001]     PM1 Control Block Length : 02
[0001]     PM2 Control Block Length : 01
[0001]        PM Timer Block Length : 04
[0001]            GPE0 Block Length : 08
[0001]            GPE1 Block Length : 10
[0001]             GPE1 Base Offset : 12
[0001]                 _CST Support : 13
[0002]                   C2 Latency : 0114
[0002]                   C3 Latency : 0115
[0002]               CPU Cache Size : 0116
[0002]           Cache Flush Stride : 0117
[0001]            Duty Cycle Offset : 18
[0001]             Duty Cycle Width : 19
[0001]          RTC Day Alarm Index : 1A
[0001]        RTC Month Alarm Index : 1B
[0001]            RTC Century Index : 1C
[0002]   Boot Flags (decoded below) : 0015
               Legacy Devices Supported (V2) : 1
            8042 Present on ports 60/64 (V2) : 0
                        VGA Not Present (V4) : 1
                      MSI Not Supported (V4) : 0
                PCIe ASPM Not Supported (V4) : 1
                   CMOS RTC Not Present (V5) : 0
[0001]                     Reserved : 00
[0004]        Flags (decoded below) : 002A5A5A
      WBINVD instruction is operational (V1) : 0
              WBINVD flushes all caches (V1) : 1
                    All CPUs support C1 (V1) : 0
                  C2 works on MP system (V1) : 1
            Control Method Power Button (V1) : 1
            Control Method Sleep Button (V1) : 0
        RTC wake not in fixed reg space (V1) : 1
            RTC can wake system from S4 (V1) : 0
                        32-bit PM Timer (V1) : 0
                      Docking Supported (V1) : 1
               Reset Register Supported (V2) : 0
                            Sealed Case (V3) : 1
                    Headless - No Video (V3) : 1
        Use native instr after SLP_TYPx (V3) : 0
              PCIEXP_WAK Bits Supported (V4) : 1
                     Use Platform Timer (V4) : 0
               RTC_STS valid on S4 wake (V4) : 0
                Remote Power-on capable (V4) : 1
                 Use APIC Cluster Model (V4) : 0
     Use APIC Physical Destination Mode (V4) : 1
                       Hardware Reduced (V5) : 0
                      Low Power S0 Idle (V5) : 1
