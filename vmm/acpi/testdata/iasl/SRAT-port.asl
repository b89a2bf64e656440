[0004] Signature : "SRAT"
[0004] Table Length : 00000050
[0001] Revision : 03
[0001] Checksum : 00
[0006] Oem ID : "VGRAFT"
[0008] Oem Table ID : "SAMPLE"
[0004] Oem Revision : 04030201
[0004] Asl Compiler ID : "VGFT"
[0004] Asl Compiler Revision : 08070605

[0004] Table Revision : 00000001
[0008] Reserved : 0000000000000000

[0001] Subtable Type : 06
[0001] Length : 20
[0001] Reserved1 : 00
[0001] Device Handle Type : 00
[0004] Proximity Domain : 00000102
[0010] Device Handle : 41 43 50 49 30 30 31 36 05 00 00 00 00 00 00 00
[0004] Flags (decoded below) : 00000003
                                     Enabled : 1
                  Architectural Transactions : 1
[0004] Reserved2 : 00000000
