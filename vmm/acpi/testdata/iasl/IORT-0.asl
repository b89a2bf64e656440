[0004]                    Signature : "IORT"
[0004]                 Table Length : 000001CC
[0001]                     Revision : 00
[0001]                     Checksum : 30
[0006]                       Oem ID : "VGRAFT"
[0008]                 Oem Table ID : "SAMPLE"
[0004]                 Oem Revision : 04030201
[0004]              Asl Compiler ID : "VGFT"
[0004]        Asl Compiler Revision : 08070605
[0004]                   Node Count : 00000006
[0004]                  Node Offset : 00000030
[0004]                     Reserved : 00000000

[0001]                         Type : 00
[0002]                       Length : 001C
[0001]                     Revision : 00
[0004]                     Reserved : 00000000
[0004]                Mapping Count : 00000000
[0004]               Mapping Offset : 00000000
[0004]                     ItsCount : 00000002
[0004]                  Identifiers : 01020304
[0004]                  Identifiers : 05060708

[0001]                         Type : 01
[0002]                       Length : 003C
[0001]                     Revision : 00
[0004]                     Reserved : 00000000
[0004]                Mapping Count : 00000001
[0004]               Mapping Offset : 00000028
[0004]                   Node Flags : 01020304
[0008]            Memory Properties : [IORT Memory Access Properties]
[0004]              Cache Coherency : 00000001
[0001]        Hints (decoded below) : 0F
                                   Transient : 1
                              Write Allocate : 1
                               Read Allocate : 1
                                    Override : 1
[0002]                     Reserved : 0000
[0001] Memory Flags (decoded below) : 03
                                   Coherency : 1
                            Device Attribute : 1
[0001]            Memory Size Limit : 30
[0010]                  Device Name : "\_SB.DEV0"
[0001]                      Padding : 00
[0004]                   Input base : 01020304
[0004]                     ID Count : 0000FFFF
[0004]                  Output Base : 05060708
[0004]             Output Reference : 00000030
[0004]        Flags (decoded below) : 00000001
                              Single Mapping : 1

[0001]                         Type : 04
[0002]                       Length : 0058
[0001]                     Revision : 01
[0004]                     Reserved : 00000000
[0004]                Mapping Count : 00000001
[0004]               Mapping Offset : 00000044
[0008]                 Base Address : 0706050403020102
[0004]        Flags (decoded below) : 00000007
                             COHACC Override : 1
                               HTTU Override : 1
                      Proximity Domain Valid : 0
[0004]                     Reserved : 00000000
[0008]                VATOS Address : 0706050403020103
[0004]                        Model : 03020104
[0004]                   Event GSIV : 03020105
[0004]                     PRI GSIV : 03020106
[0004]                    GERR GSIV : 03020107
[0004]                    Sync GSIV : 03020108
[0004]             Proximity Domain : 03020109
[0004]      Device ID Mapping Index : 0302010A
[0004]                   Input base : 01020304
[0004]                     ID Count : 0000FFFF
[0004]                  Output Base : 05060708
[0004]             Output Reference : 00000030
[0004]        Flags (decoded below) : 00000001
                              Single Mapping : 1

[0001]                         Type : 03
[0002]                       Length : 0078
[0001]                     Revision : 01
[0004]                     Reserved : 00000000
[0004]                Mapping Count : 00000001
[0004]               Mapping Offset : 00000064
[0008]                 Base Address : 0706050403020103
[0008]                         Span : 0706050403020104
[0004]                        Model : 03020105
[0004]        Flags (decoded below) : 00000003
                               DVM Supported : 1
                               Coherent Walk : 1
[0004]      Global Interrupt Offset : 0000003C
[0004]      Context Interrupt Count : 00000002
[0004]     Context Interrupt Offset : 0000004C
[0004]          PMU Interrupt Count : 00000001
[0004]         PMU Interrupt Offset : 0000005C
[0004]                      NSgIrpt : 00000021
[0004] NSgIrpt Flags (decoded below) : 00000001
                              Edge Triggered : 1
[0004]                   NSgCfgIrpt : 00000022
[0004] NSgCfgIrpt Flags (decoded below) : 00000001
                              Edge Triggered : 1
[0008]            Context Interrupt : 0302010600000023
[0008]            Context Interrupt : 0302010700000024
[0008]                PMU Interrupt : 0302010800000025
[0004]                   Input base : 01020304
[0004]                     ID Count : 0000FFFF
[0004]                  Output Base : 05060708
[0004]             Output Reference : 00000030
[0004]        Flags (decoded below) : 00000001
                              Single Mapping : 1

[0001]                         Type : 02
[0002]                       Length : 0038
[0001]                     Revision : 01
[0004]                     Reserved : 00000000
[0004]                Mapping Count : 00000001
[0004]               Mapping Offset : 00000024
[0008]            Memory Properties : [IORT Memory Access Properties]
[0004]              Cache Coherency : 00000001
[0001]        Hints (decoded below) : 00
                                   Transient : 0
                              Write Allocate : 0
                               Read Allocate : 0
                                    Override : 0
[0002]                     Reserved : 0000
[0001] Memory Flags (decoded below) : 03
                                   Coherency : 1
                            Device Attribute : 1
[0004]                ATS Attribute : 00000001
[0004]           PCI Segment Number : 00000102
[0001]            Memory Size Limit : 34
[0003]                     Reserved : 000000
[0004]                   Input base : 01020304
[0004]                     ID Count : 0000FFFF
[0004]                  Output Base : 05060708
[0004]             Output Reference : 00000030
[0004]        Flags (decoded below) : 00000001
                              Single Mapping : 1

[0001]                         Type : 05
[0002]                       Length : 003C
[0001]                     Revision : 01
[0004]                     Reserved : 00000000
[0004]                Mapping Count : 00000001
[0004]               Mapping Offset : 00000028
[0008]          Page 0 Base Address : 0706050403020102
[0004]      Overflow Interrupt GSIV : 03020103
[0004]               Node Reference : 03020104
[0008]          Page 1 Base Address : 0706050403020105
[0004]                   Input base : 01020304
[0004]                     ID Count : 0000FFFF
[0004]                  Output Base : 05060708
[0004]             Output Reference : 00000030
[0004]        Flags (decoded below) : 00000001
                              Single Mapping : 1
