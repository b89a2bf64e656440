[0004] Signature : "APIC"
[0004] Table Length : 00000060
[0001] Revision : 07
[0001] Checksum : 00
[0006] Oem ID : "VGRAFT"
[0008] Oem Table ID : "SAMPLE"
[0004] Oem Revision : 04030201
[0004] Asl Compiler ID : "VGFT"
[0004] Asl Compiler Revision : 08070605

[0004] Local Apic Address : FEE00000
[0004] Flags (decoded below) : 00000000
                 PC-AT Compatibility : 0

[0001] Subtable Type : 0E
[0001] Length : 10
[0001] Flags (decoded below) : 01
             GICR non-coherent : 1
[0001] Reserved : 00
[0008] Base Address : 00000000080A0000
[0004] Length : 00F60000

[0001] Subtable Type : 0F
[0001] Length : 14
[0001] Flags (decoded below) : 01
          GIC ITS non-coherent : 1
[0001] Reserved : 00
[0004] Translation ID : 00000007
[0008] Base Address : 0000000008080000
[0004] Reserved : 00000000

[0001] Subtable Type : 10
[0001] Length : 10
[0002] Mailbox Version : 0001
[0004] Reserved : 00000000
[0008] Mailbox Address : 000000007FE01000
