[0004] Signature : "HMAT"
[0004] Table Length : 000000A4
[0001] Revision : 01
[0001] Checksum : 00
[0006] Oem ID : "VGRAFT"
[0008] Oem Table ID : "SAMPLE"
[0004] Oem Revision : 04030201
[0004] Asl Compiler ID : "VGFT"
[0004] Asl Compiler Revision : 08070605

[0004] Reserved : 00000000

[0002] Structure Type : 0000
[0002] Reserved : 0000
[0004] Length : 00000028
[0002] Flags (decoded below) : 0001
 Processor Proximity Domain Valid : 1
[0002] Reserved1 : 0000
[0004] Attached Initiator Proximity Domain : 00000011
[0004] Memory Proximity Domain : 00000012
[0004] Reserved2 : 00000000
[0008] Reserved3 : 0000000000000000
[0008] Reserved4 : 0000000000000000

[0002] Structure Type : 0001
[0002] Reserved : 0000
[0004] Length : 0000002E
[0001] Flags (decoded below) : 02
 Memory Hierarchy : 2

[0001] Data Type : 01
[0002] Reserved1 : 0000
[0004] Initiator Proximity Domains # : 00000001
[0004] Target Proximity Domains # : 00000002
[0004] Reserved2 : 00000000
[0008] Entry Base Unit : 0000000000000064
[0004] Initiator Proximity Domain List : 00000013
[0004] Target Proximity Domain List : 00000014
[0004] Target Proximity Domain List : 00000015
[0002] Entry : 0016
[0002] Entry : 0017

[0002] Structure Type : 0002
[0002] Reserved : 0000
[0004] Length : 00000026
[0004] Memory Proximity Domain : 00000018
[0004] Reserved1 : 00000000
[0008] Memory Side Cache Size : 0000000040000000
[0004] Cache Attributes (decoded below) : 00802322
 Total Cache Levels : 2
 Cache Level : 2
 Cache Associativity : 3
 Write Policy : 2
 Cache Line Size : 0080
[0002] Reserved2 : 0000
[0002] SMBIOS Handle # : 0003
[0002] SMBIOS Handle : 0019
[0002] SMBIOS Handle : 001A
[0002] SMBIOS Handle : 001B
