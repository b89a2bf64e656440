[0004]                    Signature : "XSDT"
[0004]                 Table Length : 00000034
[0001]                     Revision : 01
[0001]                     Checksum : 21
[0006]                       Oem ID : "VGRAFT"
[0008]                 Oem Table ID : "SAMPLE"
[0004]                 Oem Revision : 04030201
[0004]              Asl Compiler ID : "VGFT"
[0004]        Asl Compiler Revision : 08070605
[0008]       ACPI Table Address   0 : 1020304050607080
[0008]       ACPI Table Address   1 : 0090A0B0C0D0E0F0
