[0004]                   Signature : "IORT"
[0004]                Table Length : 0000017C
[0001]                    Revision : 03
[0001]                    Checksum : C6
[0006]                      Oem ID : "VGRAFT"
[0008]                Oem Table ID : "SAMPLE"
[0004]                Oem Revision : 04030201
[0004]             Asl Compiler ID : "VGFT"
[0004]       Asl Compiler Revision : 08070605
[0004]                  Node Count : 00000005
[0004]                 Node Offset : 00000030
[0004]                    Reserved : 00000000

[0001]                        Type : 00
[0002]                      Length : 001C
[0001]                    Revision : 01
[0004]                  Identifier : 03020101
[0004]               Mapping Count : 00000000
[0004]              Mapping Offset : 00000000
[0004]                    ItsCount : 00000002
[0004]                 Identifiers : 03020102
[0004]                 Identifiers : 03020103

[0001]                        Type : 02
[0002]                      Length : 004C
[0001]                    Revision : 03
[0004]                  Identifier : 03020104
[0004]               Mapping Count : 00000002
[0004]              Mapping Offset : 00000024
[0008]           Memory Properties : [IORT Memory Access Properties]
[0004]             Cache Coherency : 00000001
[0001]       Hints (decoded below) : 01
                                   Transient : 1
                              Write Allocate : 0
                               Read Allocate : 0
                                    Override : 0
[0002]                    Reserved : 0000
[0001] Memory Flags (decoded below) : 03
                                   Coherency : 1
                            Device Attribute : 1
               Ensured Coherency of Accesses : 0
[0004]               ATS Attribute : 0302010F
[0004]          PCI Segment Number : 03020110
[0001]           Memory Size Limit : 11
[0002]          PASID Capabilities : 0112
[0001]                    Reserved : 00
[0004]                  Input base : 01020304
[0004]                    ID Count : 0000FFFF
[0004]                 Output Base : 05060708
[0004]            Output Reference : 00000030
[0004]       Flags (decoded below) : 00000001
                              Single Mapping : 1
[0004]                  Input base : 01020304
[0004]                    ID Count : 0000FFFF
[0004]                 Output Base : 05060708
[0004]            Output Reference : 00000030
[0004]       Flags (decoded below) : 00000001
                              Single Mapping : 1

[0001]                        Type : 04
[0002]                      Length : 0058
[0001]                    Revision : 04
[0004]                  Identifier : 03020114
[0004]               Mapping Count : 00000001
[0004]              Mapping Offset : 00000044
[0008]                Base Address : 070605040302011A
[0004]       Flags (decoded below) : 0000000F
                             COHACC Override : 1
                               HTTU Override : 1
                      Proximity Domain Valid : 1
                              DeviceID Valid : 0
[0004]                    Reserved : 00000000
[0008]               VATOS Address : 070605040302011B
[0004]                       Model : 0302011C
[0004]                  Event GSIV : 0302011D
[0004]                    PRI GSIV : 0302011E
[0004]                   GERR GSIV : 0302011F
[0004]                   Sync GSIV : 03020120
[0004]            Proximity Domain : 03020121
[0004]     Device ID Mapping Index : 03020122
[0004]                  Input base : 01020304
[0004]                    ID Count : 0000FFFF
[0004]                 Output Base : 05060708
[0004]            Output Reference : 00000030
[0004]       Flags (decoded below) : 00000001
                              Single Mapping : 1

[0001]                        Type : 03
[0002]                      Length : 0064
[0001]                    Revision : 03
[0004]                  Identifier : 03020123
[0004]               Mapping Count : 00000000
[0004]              Mapping Offset : 00000000
[0008]                Base Address : 0706050403020124
[0008]                        Span : 0706050403020125
[0004]                       Model : 03020126
[0004]       Flags (decoded below) : 00000003
                               DVM Supported : 1
                               Coherent Walk : 1
[0004]     Global Interrupt Offset : 0000003C
[0004]     Context Interrupt Count : 00000002
[0004]    Context Interrupt Offset : 0000004C
[0004]         PMU Interrupt Count : 00000001
[0004]        PMU Interrupt Offset : 0000005C
[0004]                     NSgIrpt : 03020127
[0004] NSgIrpt Flags (decoded below) : 00000001
                              Edge Triggered : 1
[0004]                  NSgCfgIrpt : 03020128
[0004] NSgCfgIrpt Flags (decoded below) : 00000001
                              Edge Triggered : 1
[0008]           Context Interrupt : 0302012A03020129
[0008]           Context Interrupt : 0302012C0302012B
[0008]               PMU Interrupt : 0302012E0302012D

[0001]                        Type : 05
[0002]                      Length : 0028
[0001]                    Revision : 01
[0004]                  Identifier : 0302012F
[0004]               Mapping Count : 00000000
[0004]              Mapping Offset : 00000000
[0008]         Page 0 Base Address : 0706050403020130
[0004]     Overflow Interrupt GSIV : 03020131
[0004]              Node Reference : 03020132
[0008]         Page 1 Base Address : 0706050403020133
