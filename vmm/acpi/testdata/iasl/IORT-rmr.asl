[0004] Signature : "IORT"
[0004] Table Length : 00000088
[0001] Revision : 05
[0001] Checksum : 00
[0006] Oem ID : "VGRAFT"
[0008] Oem Table ID : "SAMPLE"
[0004] Oem Revision : 04030201
[0004] Asl Compiler ID : "VGFT"
[0004] Asl Compiler Revision : 08070605

[0004] Node Count : 00000001
[0004] Node Offset : 00000030
[0004] Reserved : 00000000

[0001] Type : 06
[0002] Length : 0058
[0001] Revision : 03
[0004] Identifier : 00000009
[0004] Mapping Count : 00000001
[0004] Mapping Offset : 00000044
[0004] Flags (decoded below) : 00000007
 Remapping Permitted : 1
 Access Privileged : 1
 Access Attributes : 01
[0004] Number of RMR Descriptors : 00000002
[0004] RMR Descriptor Offset : 0000001C
[0008] Base Address of RMR : 0000000080000000
[0008] Length of RMR : 0000000000010000
[0004] Reserved : 00000000
[0008] Base Address of RMR : 0000000090000000
[0008] Length of RMR : 0000000000020000
[0004] Reserved : 00000000
[0004] Input base : 00000100
[0004] ID Count : 000000FF
[0004] Output Base : 00000200
[0004] Output Reference : 00000030
[0004] Flags (decoded below) : 00000001
 Single Mapping : 1
