[0004]                    Signature : "MCFG"
[0004]                 Table Length : 0000004C
[0001]                     Revision : 01
[0001]                     Checksum : 51
[0006]                       Oem ID : "VGRAFT"
[0008]                 Oem Table ID : "SAMPLE"
[0004]                 Oem Revision : 04030201
[0004]              Asl Compiler ID : "VGFT"
[0004]        Asl Compiler Revision : 08070605
[0008]                     Reserved : 0000000000000000
[0008]                 Base Address : 0706050403020101
[0002]         Segment Group Number : 0102
[0001]             Start Bus Number : 03
[0001]               End Bus Number : 04
[0004]                     Reserved : 00000000
[0008]                 Base Address : 0706050403020105
[0002]         Segment Group Number : 0106
[0001]             Start Bus Number : 07
[0001]               End Bus Number : 08
[0004]                     Reserved : 00000000
