[0004]                   Signature : "HMAT"
[0004]                Table Length : 000000B4
[0001]                    Revision : 02
[0001]                    Checksum : 71
[0006]                      Oem ID : "VGRAFT"
[0008]                Oem Table ID : "SAMPLE"
[0004]                Oem Revision : 04030201
[0004]             Asl Compiler ID : "VGFT"
[0004]       Asl Compiler Revision : 08070605
[0004]                    Reserved : 00000000

[0002]              Structure Type : 0000
[0002]                    Reserved : 0000
[0004]                      Length : 00000028
[0002]       Flags (decoded below) : 0001
            Processor Proximity Domain Valid : 1
[0002]                   Reserved1 : 0000
[0004] Attached Initiator Proximity Domain : 03020101
[0004]     Memory Proximity Domain : 03020102
[0004]                   Reserved2 : 00000000
[0008]                   Reserved3 : 0000000000000000
[0008]                   Reserved4 : 0000000000000000

[0002]              Structure Type : 0001
[0002]                    Reserved : 0000
[0004]                      Length : 00000040
[0001]       Flags (decoded below) : 01
                            Memory Hierarchy : 1
                   Use Minimum Transfer Size : 0
                    Non-sequential Transfers : 0
[0001]                   Data Type : 03
[0001]       Minimum Transfer Size : 00
[0001]                   Reserved1 : 00
[0004] Initiator Proximity Domains # : 00000002
[0004]  Target Proximity Domains # : 00000003
[0004]                   Reserved2 : 00000000
[0008]             Entry Base Unit : 0706050403020104
[0004] Initiator Proximity Domain List : 00000001
[0004] Initiator Proximity Domain List : 00000002
[0004] Target Proximity Domain List : 00000003
[0004] Target Proximity Domain List : 00000004
[0004] Target Proximity Domain List : 00000005
[0002]                       Entry : 0105
[0002]                       Entry : 0106
[0002]                       Entry : 0107
[0002]                       Entry : 0108
[0002]                       Entry : 0109
[0002]                       Entry : 010A

[0002]              Structure Type : 0002
[0002]                    Reserved : 0000
[0004]                      Length : 00000024
[0004]     Memory Proximity Domain : 0302010B
[0004]                   Reserved1 : 00000000
[0008]      Memory Side Cache Size : 070605040302010C
[0004] Cache Attributes (decoded below) : 00401212
                          Total Cache Levels : 2
                                 Cache Level : 1
                         Cache Associativity : 2
                                Write Policy : 1
                             Cache Line Size : 0040
[0002]                Address Mode : 0000
[0002]             SMBIOS Handle # : 0002
[0002]               SMBIOS Handle : 010E
[0002]               SMBIOS Handle : 010F
