[0004]                    Signature : "SRAT"
[0004]                 Table Length : 00000080
[0001]                     Revision : 03
[0001]                     Checksum : 36
[0006]                       Oem ID : "VGRAFT"
[0008]                 Oem Table ID : "SAMPLE"
[0004]                 Oem Revision : 04030201
[0004]              Asl Compiler ID : "VGFT"
[0004]        Asl Compiler Revision : 08070605
[0004]               Table Revision : 00000001
[0008]                     Reserved : 0000000000000000

[0001]                Subtable Type : 00
[0001]                       Length : 10
[0001]      Proximity Domain Low(8) : 01
[0001]                      Apic ID : 02
[0004]        Flags (decoded below) : 00000001
                                     Enabled : 1
[0001]              Local Sapic EID : 03
[0003]    Proximity Domain High(24) : 030201
[0004]                 Clock Domain : 03020104

[0001]                Subtable Type : 01
[0001]                       Length : 28
[0004]             Proximity Domain : 03020105
[0002]                    Reserved1 : 0000
[0008]                 Base Address : 0706050403020106
[0008]               Address Length : 0F0E0D0C0B0A0908
[0004]                    Reserved2 : 00000000
[0004]        Flags (decoded below) : 00000007
                                     Enabled : 1
                               Hot Pluggable : 1
                                Non-Volatile : 1
[0008]                    Reserved3 : 0000000000000000

[0001]                Subtable Type : 02
[0001]                       Length : 18
[0002]                    Reserved1 : 0000
[0004]             Proximity Domain : 03020107
[0004]                      Apic ID : 03020108
[0004]        Flags (decoded below) : 00000001
                                     Enabled : 1
[0004]                 Clock Domain : 03020109
[0004]                    Reserved2 : 00000000
