[0004]                    Signature : "SLIT"
[0004]                 Table Length : 00000035
[0001]                     Revision : 01
[0001]                     Checksum : 32
[0006]                       Oem ID : "VGRAFT"
[0008]                 Oem Table ID : "SAMPLE"
[0004]                 Oem Revision : 04030201
[0004]              Asl Compiler ID : "VGFT"
[0004]        Asl Compiler Revision : 08070605
[0008]                   Localities : 0000000000000003
[0003]                 Locality   0 : 0A 0B 0C
[0003]                 Locality   1 : 0D 0A 0F
[0003]                 Locality   2 : 10 11 0A
