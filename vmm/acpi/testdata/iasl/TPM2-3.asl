[0004] Signature : "TPM2"
[0004] Table Length : 00000034
[0001] Revision : 03
[0001] Checksum : 00
[0006] Oem ID : "VGRAFT"
[0008] Oem Table ID : "SAMPLE"
[0004] Oem Revision : 04030201
[0004] Asl Compiler ID : "VGFT"
[0004] Asl Compiler Revision : 08070605

[0004] Reserved : 00000000
[0008] Control Address : 00000000FED40040
[0004] Start Method : 00000007
