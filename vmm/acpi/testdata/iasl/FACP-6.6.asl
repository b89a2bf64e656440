[0004]                    Signature : "FACP"
[0004]                 Table Length : 00000114
[0001]                     Revision : 06
[0001]                     Checksum : FE
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
[0012]               Reset Register : [Generic Address Structure]
[0001]                     Space ID : 1D
[0001]                    Bit Width : 1E
[0001]                   Bit Offset : 1F
[0001]         Encoded Access Width : 20
[0008]                      Address : 0706050403020121
[0001]         Value to cause reset : 22
[0002]    ARM Flags (decoded below) : 0003
                              PSCI Compliant : 1
                       Must use HVC for PSCI : 1
[0001]          FADT Minor Revision : 06
[0008]                 FACS Address : 0706050403020123
[0008]                 DSDT Address : 0706050403020124
[0012]             PM1A Event Block : [Generic Address Structure]
[0001]                     Space ID : 25
[0001]                    Bit Width : 26
[0001]                   Bit Offset : 27
[0001]         Encoded Access Width : 28
[0008]                      Address : 0706050403020129
[0012]             PM1B Event Block : [Generic Address Structure]
[0001]                     Space ID : 2A
[0001]                    Bit Width : 2B
[0001]                   Bit Offset : 2C
[0001]         Encoded Access Width : 2D
[0008]                      Address : 070605040302012E
[0012]           PM1A Control Block : [Generic Address Structure]
[0001]                     Space ID : 2F
[0001]                    Bit Width : 30
[0001]                   Bit Offset : 31
[0001]         Encoded Access Width : 32
[0008]                      Address : 0706050403020133
[0012]           PM1B Control Block : [Generic Address Structure]
[0001]                     Space ID : 34
[0001]                    Bit Width : 35
[0001]                   Bit Offset : 36
[0001]         Encoded Access Width : 37
[0008]                      Address : 0706050403020138
[0012]            PM2 Control Block : [Generic Address Structure]
[0001]                     Space ID : 39
[0001]                    Bit Width : 3A
[0001]                   Bit Offset : 3B
[0001]         Encoded Access Width : 3C
[0008]                      Address : 070605040302013D
[0012]               PM Timer Block : [Generic Address Structure]
[0001]                     Space ID : 3E
[0001]                    Bit Width : 3F
[0001]                   Bit Offset : 40
[0001]         Encoded Access Width : 41
[0008]                      Address : 0706050403020142
[0012]                   GPE0 Block : [Generic Address Structure]
[0001]                     Space ID : 43
[0001]                    Bit Width : 44
[0001]                   Bit Offset : 45
[0001]         Encoded Access Width : 46
[0008]                      Address : 0706050403020147
[0012]                   GPE1 Block : [Generic Address Structure]
[0001]                     Space ID : 48
[0001]                    Bit Width : 49
[0001]                   Bit Offset : 4A
[0001]         Encoded Access Width : 4B
[0008]                      Address : 070605040302014C
[0012]       Sleep Control Register : [Generic Address Structure]
[0001]                     Space ID : 4D
[0001]                    Bit Width : 4E
[0001]                   Bit Offset : 4F
[0001]         Encoded Access Width : 50
[0008]                      Address : 0706050403020151
[0012]        Sleep Status Register : [Generic Address Structure]
[0001]                     Space ID : 52
[0001]                    Bit Width : 53
[0001]                   Bit Offset : 54
[0001]         Encoded Access Width : 55
[0008]                      Address : 0706050403020156
[0008]                Hypervisor ID : 0706050403020157
