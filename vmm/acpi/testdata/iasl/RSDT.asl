[0004]                    Signature : "RSDT"
[0004]                 Table Length : 0000002C
[0001]                     Revision : 01
[0001]                     Checksum : 6F
[0006]                       Oem ID : "VGRAFT"
[0008]                 Oem Table ID : "SAMPLE"
[0004]                 Oem Revision : 04030201
[0004]              Asl Compiler ID : "VGFT"
[0004]        Asl Compiler Revision : 08070605
[0004]       ACPI Table Address   0 : 10203040
[0004]       ACPI Table Address   1 : 50607080
